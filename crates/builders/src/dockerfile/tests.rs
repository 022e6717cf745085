use std::path::Path;

use super::{CommandLine, Copy, Dockerfile, Instruction, one_line};

fn parse(text: &str) -> Vec<Instruction> {
    let (dockerfile, _) = Dockerfile::parse(text, Path::new("Dockerfile")).expect(text);
    dockerfile.instructions.into_iter().map(|located| located.instruction).collect()
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn copy(sources: &[&str], destination: &str) -> Instruction {
    let sources = sources.iter().map(|source| Some(text(source))).collect();
    Instruction::Copy(Copy { flags: Vec::new(), sources, destination: text(destination) })
}

#[test]
fn each_instruction_is_read() {
    let exec = |words: &[&str]| CommandLine::Exec(words.iter().map(|word| text(word)).collect());
    let table = [
        (
            "arg A B=1 C='x y'",
            Instruction::Arg(vec![
                (text("A"), None),
                (text("B"), Some(text("1"))),
                (text("C"), Some(text("'x y'"))),
            ]),
        ),
        (
            "ENV A=1 B=\"x y\" \\\n  # note\n  C=$A",
            Instruction::Env(vec![
                (text("A"), text("1")),
                (text("B"), text("\"x y\"")),
                (text("C"), text("$A")),
            ]),
        ),
        ("ENV A b c", Instruction::Env(vec![(text("A"), text("b c"))])),
        ("LABEL a.b=c", Instruction::Label(vec![(text("a.b"), text("c"))])),
        ("COPY a b /c/", copy(&["a", "b"], "/c/")),
        ("COPY [\"a b\", \"c\", \"/d\"]", copy(&["a b", "c"], "/d")),
        ("copy a \\\n b ./", copy(&["a", "b"], "./")),
        ("WORKDIR /a b", Instruction::Workdir(text("/a b"))),
        ("USER 1:2", Instruction::User(text("1:2"))),
        ("EXPOSE 80 443/tcp", Instruction::Expose(vec![text("80"), text("443/tcp")])),
        ("ENTRYPOINT [\"/a\", \"b\\n\"]", Instruction::Entrypoint(exec(&["/a", "b\n"]))),
        (
            "CMD echo \"$X\" \\\n  # note\n\n && b",
            Instruction::Cmd(CommandLine::Shell(text("echo \"$X\"  && b"))),
        ),
        ("CMD []", Instruction::Cmd(exec(&[]))),
        ("RUN a\\\nb", Instruction::Other("RUN")),
        ("ADD a b", Instruction::Other("ADD")),
        ("HEALTHCHECK NONE", Instruction::Other("HEALTHCHECK")),
        ("VOLUME /a", Instruction::Other("VOLUME")),
    ];
    for (line, expected) in table {
        let read = parse(&format!("FROM scratch\n{line}\n"));
        assert_eq!(read[1..], [expected], "{line}");
    }
}

#[test]
fn places_and_flags_are_kept() {
    let source =
        "\u{feff}# escape=`\nFROM --platform=linux/arm64 a AS b\n\n  COPY --chown=1:2 --link é `\n x/\n";
    let (dockerfile, escape) = Dockerfile::parse(source, Path::new("web/Dockerfile")).expect("valid");
    assert_eq!(escape, '`');
    let copy = &dockerfile.instructions[1];
    assert_eq!(copy.at.to_string(), "web/Dockerfile:4:3");
    assert_eq!(copy.text, "COPY --chown=1:2 --link é  x/");
    let Instruction::Copy(Copy { flags, sources, destination }) = &copy.instruction else {
        panic!("not a COPY: {copy:?}");
    };
    assert_eq!((sources.as_slice(), destination.as_str()), (&[Some(text("é"))][..], "x/"));
    assert_eq!((flags[1].name.as_str(), flags[1].value.as_deref()), ("link", None));
    assert_eq!(flags[1].at.to_string(), "web/Dockerfile:4:20");
}

#[test]
fn errors_say_where_and_what_to_do() {
    let report = |text: &str| {
        let error = Dockerfile::parse(text, Path::new("Dockerfile")).expect_err(text);
        assert_eq!(error.kind(), shipway_core::ErrorKind::Config);
        error.report().to_string()
    };
    insta::assert_snapshot!(report("FROM scratch\nCOPPY a b\n"), @"
    Dockerfile:2:1: unknown instruction `COPPY`
      hint: did you mean `COPY`?
    ");
    insta::assert_snapshot!(report("FROM scratch\n  && b\n"), @"
    Dockerfile:2:3: unknown instruction `&&`
      hint: an instruction is a word such as `COPY`; a line goes on after a final `\\`
    ");
    insta::assert_snapshot!(report("COPY a b\n"), @"
    Dockerfile:1:1: expected FROM
      hint: begin with `FROM scratch` or with a base image
    ");
    insta::assert_snapshot!(report(""), @"
    Dockerfile: expected at least one FROM instruction
      hint: begin with `FROM scratch` or with a base image
    ");
    insta::assert_snapshot!(report("FROM scratch\nCOPY a\n"), @"
    Dockerfile:2:1: COPY instruction requires at least two arguments
      hint: see the Dockerfile reference for this instruction's form
    ");
    insta::assert_snapshot!(report("FROM scratch\nENV A\n"), @"
    Dockerfile:2:1: ENV has no value for `A`
      hint: write `ENV name=value`, with quotes around a value that has blanks
    ");
}

#[test]
fn no_text_makes_it_panic() {
    let pieces = [
        "FROM",
        " a",
        "\n",
        "\r",
        "\r\n",
        "COPY",
        "ENV ",
        "A=",
        "\\",
        "`",
        "# escape=`\n",
        "\"",
        "'",
        "[",
        "]",
        ",",
        "<<",
        "<<EOF",
        "<<-\"E\"",
        "EOF",
        "é",
        "\u{feff}",
        "\t",
        "--chown",
        "=",
        "--",
        "ONBUILD ",
        "HEALTHCHECK ",
        "CMD ",
        "RUN ",
        "\\\n",
        "#",
        "\0",
        "\u{2028}",
        "\\u00e9",
        "NONE",
        "\x0b",
    ];
    // A linear congruential generator, so that every run tries the same texts.
    let mut state: u64 = 7;
    for _ in 0..20_000 {
        let mut text = if state & 1 == 0 { String::from("FROM a\n") } else { String::new() };
        for _ in 0..(state >> 60) + 2 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[usize::try_from(state >> 33).expect("fits") % pieces.len()]);
        }
        let _ = Dockerfile::parse(&text, Path::new("Dockerfile"));
    }
}

#[test]
fn continued_lines_become_one() {
    assert_eq!(one_line("a \\\n  b \\  \n\n# c\nd\\", '\\'), "a   b d");
    assert_eq!(one_line("a \\\n b", '`'), "a \\ b");
}
