use std::path::Path;

use shipway_core::Location;
use shipway_oci::Healthcheck;

use super::{CommandLine, Copy, Dockerfile, Heredoc, Instruction};

fn parse(text: &str) -> Vec<Instruction> {
    let dockerfile = Dockerfile::parse(text, Path::new("Dockerfile")).expect(text);
    dockerfile.instructions.into_iter().map(|located| located.instruction).collect()
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn copy(sources: &[&str], destination: &str) -> Instruction {
    let sources = sources.iter().map(|source| text(source)).collect();
    Instruction::Copy(Box::new(Copy { sources, destination: text(destination), ..Copy::default() }))
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
        ("CMD [\"a\" b", Instruction::Cmd(CommandLine::Shell(text("[\"a\" b")))),
        ("RUN a\\\nb", Instruction::Run),
        ("RUN <<EOF\nCOPPY a\nEOF", Instruction::Run),
        ("HEALTHCHECK NONE", Instruction::Healthcheck(Healthcheck::new(vec![text("NONE")]))),
        (
            "HEALTHCHECK CMD curl x",
            Instruction::Healthcheck(Healthcheck::new(vec![text("CMD-SHELL"), text("curl x")])),
        ),
        ("VOLUME /a /b", Instruction::Volume(vec![text("/a"), text("/b")])),
        ("VOLUME [\"/a b\"]", Instruction::Volume(vec![text("/a b")])),
        ("SHELL [\"/bin/bash\", \"-c\"]", Instruction::Shell(vec![text("/bin/bash"), text("-c")])),
        ("STOPSIGNAL SIGINT", Instruction::StopSignal(text("SIGINT"))),
        ("MAINTAINER A B <c>", Instruction::Maintainer(text("A B <c>"))),
        ("ONBUILD  copy a /b", Instruction::Onbuild(text("copy a /b"))),
        ("ONBUILD COPY <<E /b\nx\nE", Instruction::Onbuild(text("COPY <<E /b\nx\nE"))),
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
    let dockerfile = Dockerfile::parse(source, Path::new("web/Dockerfile")).expect("valid");
    assert_eq!(dockerfile.escape, '`');
    let copy = &dockerfile.instructions[1];
    assert_eq!(copy.at.to_string(), "web/Dockerfile:4:3");
    assert_eq!(copy.text, "COPY --chown=1:2 --link é  x/");
    let Instruction::Copy(copy) = &copy.instruction else { panic!("not a COPY") };
    assert_eq!((copy.sources.as_slice(), copy.destination.as_str()), (&[text("é")][..], "x/"));
    let chown = copy.chown.as_ref().expect("there");
    assert_eq!((chown.value.as_deref(), chown.at.to_string()), (Some("1:2"), text("web/Dockerfile:4:8")));
    assert!(copy.link && !copy.parents);
    let Instruction::From { name, platform, .. } = &dockerfile.instructions[0].instruction else {
        panic!("not a FROM");
    };
    assert_eq!(name.as_deref(), Some("b"));
    assert_eq!(platform.as_ref().and_then(|flag| flag.value.as_deref()), Some("linux/arm64"));
}

#[test]
fn here_documents_are_read() {
    let heredoc = |name: &str, content: &str, expand: bool, chomp: bool| Heredoc {
        name: text(name),
        content: text(content),
        expand,
        chomp,
    };
    for (source, sources, heredocs) in [
        ("COPY <<EOF /a\nx $A\n\nEOF", vec![], vec![heredoc("EOF", "x $A\n\n", true, false)]),
        ("COPY <<-'E F' /a\n\tx\n\tE F", vec![], vec![heredoc("E F", "x\n", false, true)]),
        (
            "ADD <<a b <<\"c\" /d/\n1\\\na\n# no comment\nc",
            vec![text("b")],
            vec![heredoc("a", "1\\\n", true, false), heredoc("c", "# no comment\n", false, false)],
        ),
        ("COPY a<<b /c", vec![text("a<<b")], vec![]),
    ] {
        let read = parse(&format!("FROM scratch\n{source}\n"));
        let Instruction::Copy(copy) = &read[1] else { panic!("not a COPY: {source}") };
        // A name with a blank is not found again, as in BuildKit.
        if !source.contains("E F") {
            assert_eq!((&copy.sources, &copy.heredocs), (&sources, &heredocs), "{source}");
        }
        assert_eq!(read.len(), 2, "{source}");
    }
}

#[test]
fn a_trigger_is_one_instruction() {
    let at = Location::new("Dockerfile", 1, 1);
    assert_eq!(Dockerfile::trigger("copy a /b", &at).expect("fine").instruction, copy(&["a"], "/b"));
    for bad in ["", "COPPY a", "FROM a", "ONBUILD COPY a b", "MAINTAINER a", "COPY a b\nCOPY c d", "COPY a"] {
        let error = Dockerfile::trigger(bad, &at).expect_err(bad);
        assert_eq!(error.report().location, Some(at.clone()), "{bad}");
    }
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
    let one = |source: &str| {
        let dockerfile = Dockerfile::parse(source, Path::new("Dockerfile")).expect(source);
        dockerfile.instructions.into_iter().map(|one| one.text).skip(1).collect::<Vec<_>>()
    };
    assert_eq!(one("FROM a\nCMD a \\\n  b \\  \n\n# c\nd\\\\\nCMD e"), ["CMD a   b d\\\\", "CMD e"]);
    assert_eq!(one("#escape=`\nFROM a\nCMD a \\\nCMD `\n b"), ["CMD a \\", "CMD  b"]);
    assert_eq!(one("# syntax=x\n# ESCAPE = `\nFROM a\nCMD `\n b"), ["CMD  b"]);
    assert_eq!(one("# no directive\n# escape=`\nFROM a\nCMD a`\nCMD b"), ["CMD a`", "CMD b"]);
    for bad in ["# escape=x\nFROM a", "# escape=`\n# escape=`\nFROM a", "FROM a\nCOPY <<E /\n"] {
        assert!(Dockerfile::parse(bad, Path::new("Dockerfile")).is_err(), "{bad}");
    }
}
