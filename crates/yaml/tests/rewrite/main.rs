//! Texts rewritten: the result holds the wanted trees, and what a person wrote around what stays is there.

mod random;

use shipway_yaml::{Node, Rules, Style, parse, rewrite};

/// Rewrites the first document of a text.
fn edited(text: &str, edit: impl FnOnce(&mut Node)) -> String {
    let mut documents = parse("a.yaml", text).expect("YAML");
    edit(&mut documents[0].root);
    rewrite("a.yaml", text, &documents).unwrap_or_else(|error| panic!("{}", error.report()))
}

fn text(text: &str) -> Node {
    Node::scalar(text, Style::Plain)
}

/// Takes an entry out of a mapping.
fn take(node: &mut Node, key: &str) -> (Node, Node) {
    let entries = node.entries_mut().expect("a mapping");
    let at = entries.iter().position(|(name, _)| name.text() == Some(key)).expect("the key is there");
    entries.remove(at)
}

fn get<'n>(node: &'n mut Node, path: &[&str]) -> &'n mut Node {
    path.iter().fold(node, |node, step| match step.parse::<usize>() {
        Ok(at) => &mut node.items_mut().expect("a list")[at],
        Err(_) => node.get_mut(step).expect("a key"),
    })
}

const SHOP: &str = "\
# The shop's file.

apiVersion: v1 # old
kind: 'Config'

# What is built.
build:
  # The images.
  artifacts:
  - image: web   # the front
    # where it is
    context: ./web

  # Behind.
  - image: \"api\"
    context: ./api
    args: {A: 1, \"B\": 'two'} # flags
    script: |
      # no comment
      make

      run
    # after the script
  # No more.
  tag:   sha256

# What is run.
deploy:
    kubectl: {}
    # end of deploy
# end
";

#[test]
fn what_is_not_changed_is_the_same_bytes() {
    assert_eq!(edited(SHOP, |_| {}), SHOP);
}

#[test]
fn a_value_is_replaced_where_it_stands() {
    let new = edited(SHOP, |root| {
        *get(root, &["apiVersion"]) = text("v2");
        *get(root, &["kind"]) = text("yes: no");
        *get(root, &["build", "artifacts", "0", "image"]) = text("shop/web");
        *get(root, &["build", "artifacts", "1", "args", "A"]) = text("x, y");
        *get(root, &["build", "tag"]) = Node::mapping(vec![(text("git"), text("commit"))]);
    });
    let expected = SHOP
        .replace("v1 # old", "v2 # old")
        .replace("'Config'", "'yes: no'")
        .replace("web   #", "shop/web   #")
        .replace("{A: 1", "{A: 'x, y'")
        .replace("  tag:   sha256", "  tag:\n    git: commit");
    assert_eq!(new, expected);
}

#[test]
fn an_entry_moves_with_its_comments() {
    let new = edited(SHOP, |root| {
        let artifacts = take(get(root, &["build"]), "artifacts");
        let (key, tag) = take(get(root, &["build"]), "tag");
        get(root, &["deploy", "kubectl"]).entries_mut().expect("a mapping").push(artifacts);
        let mut git = text("git");
        git.span = key.span;
        let mut policy = text("policy");
        policy.span = key.span;
        let mut inner = Node::mapping(vec![(git, tag)]);
        inner.span = key.span;
        root.entries_mut().expect("a mapping").insert(2, (policy, inner));
    });
    insta::assert_snapshot!(new);
}

#[test]
fn what_is_gone_takes_its_comments_along() {
    let new = edited(SHOP, |root| {
        get(root, &["build", "artifacts"]).items_mut().expect("a list").remove(0);
        take(get(root, &["build", "artifacts", "0"]), "args");
        take(root, "deploy");
    });
    insta::assert_snapshot!(new);
}

#[test]
fn comments_apart_from_what_is_gone_stay() {
    let given = "a: 1\n\n# Section.\n\n# of b\nb: 2\nc: 3\n\n# Last.\n\nd: 4 # of d\n# end\n";
    let new = edited(given, |root| {
        take(root, "b");
        take(root, "d");
    });
    assert_eq!(new, "a: 1\n\n# Section.\n\nc: 3\n\n# Last.\n\n# end\n");
}

#[test]
fn comments_of_what_is_gone_go_to_what_stays_of_it() {
    let given = "a:\n  # about b\n  b: # beside b\n    # about c\n    c: 1 # beside c\n  e: 2\n";
    let new = edited(given, |root| {
        let (_, mut b) = take(get(root, &["a"]), "b");
        let c = take(&mut b, "c");
        root.entries_mut().expect("a mapping").push(c);
    });
    assert_eq!(new, "a:\n  e: 2\n# about b\n# beside b\n# about c\nc: 1 # beside c\n");
}

#[test]
fn lists_and_mappings_become_parts_of_others() {
    // A mapping becomes the item of a list.
    let new = edited("a:\n  # of x\n  x: 1\n  y: |\n    b\n\n     c\nz: 1\n", |root| {
        let a = get(root, &["a"]);
        *a = Node::sequence(vec![a.clone(), text("new")]);
    });
    assert_eq!(new, "a:\n  # of x\n  - x: 1\n    y: |\n      b\n\n       c\n  - new\nz: 1\n");
    // And the other way.
    let new =
        edited("a:\n- x: 1 # of x\n  # of y\n  y: >-\n      b\n\n      c\n  # end of a\nz: 1\n", |root| {
            let a = get(root, &["a"]);
            *a = a.items().expect("a list")[0].clone();
        });
    assert_eq!(new, "a:\n  x: 1 # of x\n  # of y\n  y: >-\n      b\n\n      c\n  # end of a\nz: 1\n");
    // Lists in lists.
    let new = edited("- - a # a\n  - b\n  # c\n  - c\n- d\n", |root| {
        get(root, &["0"]).items_mut().expect("a list").remove(1);
        root.items_mut().expect("a list").push(Node::sequence(vec![text("e")]));
    });
    assert_eq!(new, "- - a # a\n  # c\n  - c\n- d\n- - e\n");
}

#[test]
fn a_list_in_lines_of_brackets_keeps_its_comments() {
    let given = "a: [b, # of b\n  # of c\n  c]  # of a\nd: 1\n";
    let new = edited(given, |root| get(root, &["a"]).items_mut().expect("a list").push(text("e")));
    assert_eq!(new, "a:  # of a\n  # of b\n  # of c\n  - b\n  - c\n  - e\nd: 1\n");
    let given = "a: { b: 1, 'c': [x, \"y\"] } # of a\n";
    let new = edited(given, |root| {
        get(root, &["a"]).entries_mut().expect("a mapping").push((text("d"), Node::mapping(vec![])));
    });
    assert_eq!(new, "a: { b: 1, 'c': [x, \"y\"], d: {} } # of a\n");
}

#[test]
fn an_alias_stays_where_it_means_the_same() {
    let given = ".x: &x # holder\n  a: 1\nb: *x # of b\nc:\n  <<: *x\n  d: 2\n";
    let new = edited(given, |root| *get(root, &["c", "d"]) = text("3"));
    assert_eq!(new, given.replace("d: 2", "d: 3"));
    // What it stands for changed in one place, or in several.
    let new = edited(given, |root| *get(root, &["b", "a"]) = text("2"));
    assert_eq!(new, given.replace("b: *x # of b", "b: # of b\n  a: 2"));
    let new = edited(given, |root| {
        for path in [&[".x", "a"], &["b", "a"]] {
            *get(root, path) = text("2");
        }
    });
    assert_eq!(new, given.replace("a: 1", "a: 2").replace("  <<: *x", "  <<:\n    a: 1"));
    // The anchor goes on at the first alias.
    let new = edited(given, |root| {
        take(root, ".x");
    });
    assert_eq!(new, "b: &x # of b\n  # holder\n  a: 1\nc:\n  <<: *x\n  d: 2\n");
    // An alias that comes before what it names now.
    let new = edited("a: &x [1]\nb: *x\nc: 3\n", |root| root.entries_mut().expect("a mapping").reverse());
    assert_eq!(new, "c: 3\nb: &x [1]\na: &x [1]\n");
}

#[test]
fn anchors_of_one_name_are_told_apart() {
    let given = "a: &x 1\nb: *x\nc: &x 2\nd: *x\n";
    let new = edited(given, |root| {
        take(root, "c");
    });
    assert_eq!(new, "a: &x 1\nb: *x\nd: &x 2\n");
    let new = edited(given, |root| root.entries_mut().expect("a mapping").swap(1, 2));
    let read = parse("a.yaml", &new).expect("YAML").remove(0).to_json(Rules::Config).expect("JSON");
    assert_eq!(read, serde_json::json!({"a": 1, "c": 2, "b": 1, "d": 2}), "{new}");
}

#[test]
fn documents_are_rewritten_each_for_itself() {
    let given = "%YAML 1.2\n---\n# one\na: 1\n# end of one\n--- # two\nb: 2\n...\n---\n- c\n---\n{d: 1}\n--- |\n  e\n";
    let mut documents = parse("a.yaml", given).expect("YAML");
    assert_eq!(rewrite("a.yaml", given, &documents).expect("rewritten"), given);
    *get(&mut documents[1].root, &["b"]) = text("3");
    documents[2].root.items_mut().expect("a list").push(text("f"));
    *get(&mut documents[3].root, &["d"]) = text("2");
    documents[4].root = text("g");
    let new = rewrite("a.yaml", given, &documents).expect("rewritten");
    assert_eq!(
        new,
        "%YAML 1.2\n---\n# one\na: 1\n# end of one\n--- # two\nb: 3\n...\n---\n- c\n- f\n---\n{d: 2}\n---\ng\n"
    );
    documents.pop();
    let error = rewrite("a.yaml", given, &documents).expect_err("there is one tree too few");
    assert_eq!(error.to_string(), "`a.yaml` has 5 documents, not 4");
}

#[test]
fn lines_end_as_they_did_and_tabs_stay() {
    let given = "a: 1\t# one\r\n\t# two\r\nb:\r\n- c\r\n";
    let new = edited(given, |root| {
        *get(root, &["a"]) = text("2");
        get(root, &["b"]).items_mut().expect("a list").push(Node::scalar("d\ne\n", Style::Plain));
    });
    assert_eq!(new, "a: 2\t# one\r\n\t# two\r\nb:\r\n- c\r\n- |\r\n  d\r\n  e\r\n");
}

#[test]
fn letters_of_several_bytes_are_no_trouble() {
    let new = edited("\u{feff}é: [ü: ö, {ä: 'ß'}] # ñ\n# ß\nö: é\n", |root| {
        get(root, &["é"]).items_mut().expect("a list").push(text("ø"));
        *get(root, &["é", "0", "ü"]) = text("å");
    });
    assert_eq!(new, "\u{feff}é: [{ü: å}, {ä: 'ß'}, ø] # ñ\n# ß\nö: é\n");
}

#[test]
fn what_has_no_lines_that_are_known_is_written_anew() {
    let new = edited("# head\n? a\n: b\nc: 1 # lost\n", |root| *get(root, &["c"]) = text("2"));
    assert_eq!(new, "# head\na: b\nc: 2\n");
    // But what does not change is not.
    let new = edited("# head\na:\n  ? a # kept\n  : b\nc: 1 # kept\n", |root| *get(root, &["c"]) = text("2"));
    assert_eq!(new, "# head\na:\n  ? a # kept\n  : b\nc: 2 # kept\n");
}
