//! The Dockerfiles that are compared, all upon the one context and the bases of this folder.

/// A Dockerfile and how it is built. `REGISTRY` stands for the bed's registry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) dockerfile: &'static str,
    pub(crate) args: &'static [(&'static str, &'static str)],
    pub(crate) target: Option<&'static str>,
    pub(crate) platforms: &'static [&'static str],
    /// A `.dockerignore` file of its own.
    pub(crate) ignore: Option<&'static str>,
}

impl Case {
    pub(crate) const NONE: Self =
        Self { name: "", dockerfile: "", args: &[], target: None, platforms: &[], ignore: None };
}

const fn case(name: &'static str, dockerfile: &'static str) -> Case {
    Case { name, dockerfile, ..Case::NONE }
}

const TWO: &[&str] = &["linux/amd64", "linux/arm64"];

/// What still differs: the case, how the line begins, and why.
pub(crate) const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("odd-from", "/odd/attributes: ", ATTRIBUTES),
    ("odd-from-chown", "/odd/attributes: ", ATTRIBUTES),
    ("trigger", "/on/t/attributes: ", ATTRIBUTES),
    ("add", "/gz/t/attributes: ", ATTRIBUTES),
    ("add", "/tar/t/attributes: ", ATTRIBUTES),
    ("add-onto", "/mode/t/attributes: ", ATTRIBUTES),
    ("add-onto", "/own/t/attributes: ", ATTRIBUTES),
    ("add-onto", "/t/attributes: ", ATTRIBUTES),
    ("add-flags", "/e/t/attributes: ", ATTRIBUTES),
    ("add-flags", "/l/t/attributes: ", ATTRIBUTES),
    ("add-flags", "/w/t/attributes: ", ATTRIBUTES),
    ("add-through-links", "/opt/app/t/attributes: ", ATTRIBUTES),
    ("add-through-links", "/private/t/attributes: ", ATTRIBUTES),
    ("two-platforms-scratch", "/d/t/attributes: ", ATTRIBUTES),
];

const ATTRIBUTES: &str = "native keeps all extended attributes; buildkitd writes `security.capability` only";

/// What native refuses and buildkitd does not: the case, and why.
pub(crate) const STRICTER: &[(&str, &str, &str)] = &[
    (
        "stricter-files-to-one",
        "FROM scratch\nCOPY a.txt b.txt /x\n",
        "the second file would replace the first",
    ),
    (
        "stricter-documents-to-one",
        "FROM scratch\nCOPY <<a <<b /x\na\nb\n",
        "the second would replace the first",
    ),
    (
        "stricter-nobody",
        "FROM REGISTRY/equal/user:1\nARG U\nUSER $U\n",
        "a variable without a value would make it root's",
    ),
    (
        "stricter-up",
        "FROM scratch\nCOPY ../a.txt /\n",
        "buildkitd takes the file of this name in the context",
    ),
    ("stricter-trigger", "FROM scratch\nONBUILD NOTHING x\n", "whoever builds upon it could not"),
];

/// What both must refuse.
pub(crate) const REFUSED: &[(&str, &str)] = &[
    (
        "refused-folder-on-link",
        "FROM scratch AS b\nCOPY bin /bin/\nFROM REGISTRY/equal/odd:1\nCOPY --from=b / /\n",
    ),
    ("refused-folder-on-file", "FROM scratch\nCOPY a.txt /x\nCOPY dir /x\n"),
    ("refused-file-on-folder", "FROM scratch\nCOPY dir/ /x/a.txt/\nCOPY a.txt /x/\n"),
    ("refused-below-file", "FROM scratch\nCOPY a.txt /x\nCOPY b.txt /x/y\n"),
    ("refused-missing", "FROM scratch\nCOPY nothing /\n"),
    ("refused-missing-folder", "FROM scratch\nCOPY nothing/* /\n"),
    ("refused-ignored", "FROM scratch\nCOPY x.ignored /\n"),
    ("refused-dangling", "FROM scratch\nCOPY dang* /\n"),
    ("refused-link-flag-of-name", "FROM REGISTRY/equal/odd:1\nCOPY --link --chown=app a.txt /\n"),
    ("refused-remote-copy", "FROM scratch\nCOPY https://example.invalid/x /\n"),
    ("refused-mode", "FROM scratch\nCOPY --chmod=99 a.txt /\n"),
    ("refused-flag", "FROM scratch\nCOPY --nothing a.txt /\n"),
    ("refused-signal", "FROM scratch\nSTOPSIGNAL SIGNONE\n"),
    ("refused-expansion", "FROM scratch\nARG X\nENV A=${X:?no}\n"),
    (
        "refused-later-stage",
        "FROM scratch\nCOPY --from=b a /\nFROM scratch AS b\nFROM scratch\nCOPY --from=0 a /\n",
    ),
    ("refused-port", "FROM scratch\nEXPOSE 99999\n"),
    ("refused-heredoc", "FROM scratch\nCOPY <<EOF /\n"),
    ("refused-nested-trigger", "FROM scratch\nONBUILD ONBUILD COPY a /\n"),
];

pub(crate) const CASES: &[Case] = &[
    case(
        "several-to-folder",
        "FROM scratch\nCOPY dir /x\nCOPY a.txt b.txt /x\nCOPY dir src /y\nCOPY a.txt b.txt dir /x\n",
    ),
    case("json-form-document", "FROM scratch\nCOPY [\"<<EOF\", \"/x\"]\n"),
    case(
        "chmod-odd",
        "FROM scratch\nCOPY --chmod=u=gr setuid /1\nCOPY --chmod=g=uX dir /2\nCOPY --chmod=+rwxst run.sh /3\nCOPY --chmod=o=g,g=o,u=o private /4\nCOPY --chmod=g+st dir /5\nCOPY --chmod=u+rw-x+X run.sh /6\nCOPY --chmod== run.sh /7\n",
    ),
    case(
        "chown-halves",
        "FROM REGISTRY/equal/odd:1\nCOPY --chown=app: a.txt /1\nCOPY --chown=:web a.txt /2\nCOPY --chown=: a.txt /3\nCOPY --link --chown=root:5 a.txt /4\nCOPY --link --chown=:5 a.txt /5\nUSER app:\nWORKDIR /6\nUSER :web\nWORKDIR /7\n",
    ),
    case("workdir-up", "FROM REGISTRY/equal/odd:1\nWORKDIR /app/../q\nCOPY a.txt ../r/\n"),
    case(
        "expansion-nested",
        "FROM scratch\nENV P=a.gz Q=xay\nENV A=${P%${NONE:-\\.gz}} B=${Q#${NONE:-x}} C=${Q/${NONE:-a}/${NONE:-\\/}} D=${Q/a/\\\\} E=${Q//x*/1}\n",
    ),
    case("directive-unknown", "# other=x\n# escape=`\nFROM scratch\nENV A=`$A B=\\$B\n"),
    case("scratch-of-platform", "FROM --platform=linux/arm64 scratch\nCOPY a.txt /\n"),
    case(
        "platform-alone",
        "FROM --platform=arm64 REGISTRY/equal/odd:1 AS b\nFROM scratch\nCOPY --from=b /etc/arch /\n",
    ),
    Case {
        platforms: &["linux/arm"],
        ..case(
            "platform-arm",
            "FROM scratch\nARG TARGETPLATFORM TARGETVARIANT\nENV A=$TARGETPLATFORM,$TARGETVARIANT\nCOPY a.txt /\n",
        )
    },
    Case {
        platforms: &["linux/arm64/v8"],
        ..case(
            "platform-arm64",
            "FROM REGISTRY/equal/odd:1\nARG TARGETPLATFORM TARGETVARIANT\nENV A=$TARGETPLATFORM,$TARGETVARIANT\n",
        )
    },
    case("all", "FROM scratch\nCOPY . /\n"),
    case("all-into-folder", "FROM scratch\nWORKDIR /srv/app\nCOPY . .\nCOPY dir sub\nCOPY dir/ sub/two/\n"),
    case(
        "files",
        "FROM scratch\nCOPY a.txt b.txt c.md /x/\nCOPY a.txt /y\nCOPY run.sh /bin/run\nCOPY setuid /s/\n",
    ),
    case(
        "json-form",
        "FROM scratch\nCOPY [\"with space\", \"a.txt\", \"/x y/\"]\nADD [\"with space\", \"/z\"]\n",
    ),
    case(
        "wildcards",
        "FROM scratch\nCOPY *.txt /t/\nCOPY d?r /d/\nCOPY dir/*/* /deep/\nCOPY *.nothing /n/\nCOPY src/pkg/[ab]/*.go /go/\n",
    ),
    case(
        "links-followed",
        "FROM scratch\nCOPY link.txt chain /l/\nCOPY dirlink /d\nCOPY dirlink/one.txt /o\nCOPY abslink /abs\nCOPY dirlink/* /w/\n",
    ),
    case("links-kept", "FROM scratch\nCOPY dir /d\nCOPY dir/deep/up /up\n"),
    case("modes-kept", "FROM scratch\nCOPY dir/ /new/\nCOPY private/ /p/\nCOPY empty /e\n"),
    case(
        "modes-onto-existing",
        "FROM REGISTRY/equal/odd:1\nCOPY dir/ /private/\nCOPY dir /tmp/\nCOPY dir/deep/ /private/deep/\n",
    ),
    case(
        "chmod",
        "FROM scratch\nCOPY --chmod=0640 dir /d/e/\nCOPY --chmod=4755 a.txt /s\nCOPY --chmod=755 link.txt /l\nADD --chmod=600 b.txt /x/\n",
    ),
    case(
        "chmod-symbolic",
        "FROM scratch\nCOPY --chmod=u=rwX,go=rX dir /d/\nCOPY --chmod=+x a.txt /x\nCOPY --chmod=go-rwx run.sh /r\nCOPY --chmod=g+s,o+t dir/deep /deep\n",
    ),
    case("chmod-variable", "FROM scratch\nARG M=0604\nARG U=7\nCOPY --chmod=$M --chown=${U}:8 a.txt /\n"),
    case(
        "chown-numbers",
        "FROM scratch\nCOPY --chown=1:2 dir /a/b/\nCOPY --chown=3 a.txt /c\nADD --chown=4:0 b.txt /d/\nCOPY --chown=5:6 dir/deep/up /up\n",
    ),
    case(
        "chown-names",
        "FROM REGISTRY/equal/odd:1\nCOPY --chown=app a.txt /1\nCOPY --chown=app:web a.txt /2\nCOPY --chown=9:web a.txt /3\nCOPY --chown=app:5 dir /4/5/\n",
    ),
    case(
        "chown-unknown",
        "FROM REGISTRY/equal/odd:1\nCOPY --chown=nobody:nothing a.txt /1\nCOPY --chown=nobody:7 a.txt /2\n",
    ),
    case(
        "chown-of-copied-passwd",
        "FROM scratch\nCOPY --from=REGISTRY/equal/odd:1 /etc /etc\nCOPY --chown=app:web a.txt /\n",
    ),
    case(
        "link-flag",
        "FROM REGISTRY/equal/odd:1\nCOPY --link a.txt /private/\nCOPY --link a.txt /bin/\nCOPY --link --chown=7:8 dir /x/y/\n",
    ),
    case(
        "link-flag-replaces",
        "FROM scratch\nCOPY dir /x\nCOPY --link a.txt /x/deep\nCOPY --link dir /x/one.txt/\n",
    ),
    case(
        "exclude",
        "FROM scratch\nCOPY --exclude=*.md --exclude=deep/er dir /d\nCOPY --exclude=**/*.go src /s\nADD --exclude=*.txt dir /all/\n",
    ),
    case(
        "exclude-and-back",
        "FROM scratch\nCOPY --exclude=* --exclude=!one.txt dir /d\nCOPY --exclude=**/a* src/ /s/\n",
    ),
    case(
        "parents",
        "FROM scratch\nCOPY --parents dir/deep/three.txt a.txt /x/\nCOPY --parents src/pkg/a /y/\n",
    ),
    case(
        "parents-patterns",
        "FROM scratch\nCOPY --parents src/**/*.go /x/\nCOPY --parents dir/*/er /y\nCOPY --parents **/*.json /z/\n",
    ),
    case(
        "parents-pivot",
        "FROM scratch\nCOPY --parents src/./pkg/*/*.go /x/\nCOPY --parents ./src/pkg/./b /y/\nCOPY --parents dirlink/./deep/three.txt /z/\n",
    ),
    case(
        "parents-modes",
        "FROM scratch\nCOPY --parents --chmod=0700 --chown=3:4 dir/deep/three.txt /x/\nCOPY --parents --exclude=**/*_test.go src/pkg /y/\n",
    ),
    case(
        "parents-from",
        "FROM REGISTRY/equal/odd:1 AS b\nFROM scratch\nCOPY --parents --from=b /odd/./op*/* /etc/arch /x/\n",
    ),
    case(
        "heredocs",
        "FROM scratch\nENV A=1\nCOPY <<EOF /expanded\n$A ${B:-two} \"quoted\" \\$A\nEOF\nCOPY <<'EOF' /plain\n$A\nEOF\nCOPY --chmod=755 --chown=1:2 <<-EOF /tabs\n\t\tindented\n\tmore\n\tEOF\nADD <<one <<two a.txt /several/\n1\none\n2\ntwo\n",
    ),
    case("heredoc-names", "FROM scratch\nCOPY <<\"a.conf\" /etc/\n$x\na.conf\nCOPY <<E /is/a/folder/\nE\n"),
    case(
        "env",
        "FROM REGISTRY/equal/odd:1\nENV A=1 B=\"two words\" C=three\\ words D='$A'\nENV OLD the rest  of it\nENV BOTH=own PATH=$PATH:/more E=$A$B\nENV A=2 F=$A\n",
    ),
    Case {
        args: &[("GIVEN", "given")],
        ..case(
            "expansion",
            "FROM scratch\nARG GIVEN=default\nARG P=/usr/local/bin/tool.tar.gz\nENV A=${NONE:-d} B=${GIVEN:+alt} C=${P#*/} D=${P##*/} E=${P%.*} F=${P%%.*}\nENV G=${P/local/own} H=${P//\\//-} I=${P/l*n/x} J=$GIVEN K=${NONE-x}y L=a\\$b\nENV M=\"${P#/*/}\" N='${P}' O=${P//[a-z]/} Q=${P%.?z} R=${P/%gz/xz}\n",
        )
    },
    Case {
        args: &[("V", "given"), ("TARGETARCH", "mine")],
        ..case(
            "arg-scopes",
            "ARG V=1\nARG W=$V-w\nFROM scratch AS a\nARG V\nENV A=$V$W\nARG W\nENV B=$W\nFROM a\nENV C=$V$W\nARG V=own\nENV D=$V\nARG TARGETARCH\nENV E=$TARGETARCH\nARG V=2 X=$V\nENV F=$X\n",
        )
    },
    case("escape", "# escape=`\nFROM scratch\nENV A=a`$b `\n    C=\"d`\"e\"\nCOPY a.txt `\n  /x\\y/\n"),
    case(
        "comments",
        "# syntax-less\nFROM scratch\n# one\nCMD a \\\n  # inside\n\n  b \\\n  c\nENV A=1 \\\n# between\n    B=2\n",
    ),
    case(
        "settings",
        "FROM scratch\nLABEL a=1 b=\"2 3\" \"c d\"=e\nLABEL old style label\nEXPOSE 80 443/tcp 53/UDP 8000-8002 8080:81\nVOLUME /a /b\nVOLUME [\"/c d\"]\nSTOPSIGNAL SIGQUIT\nUSER 1:2\nMAINTAINER Me <me@example.com>\nSHELL [\"/bin/x\", \"-c\"]\nENTRYPOINT run me\nCMD [\"a\", \"b\"]\n",
    ),
    case("settings-of-base", "FROM REGISTRY/equal/odd:1\nLABEL both=own new=1\nEXPOSE 2\nVOLUME /own\n"),
    case("entrypoint-clears", "FROM REGISTRY/equal/odd:1\nENTRYPOINT [\"/e\"]\n"),
    case("entrypoint-keeps", "FROM REGISTRY/equal/odd:1\nCMD own\nENTRYPOINT [\"/e\"]\n"),
    case("entrypoint-empty", "FROM REGISTRY/equal/odd:1\nENTRYPOINT []\nCMD []\n"),
    case("shell-of-base", "FROM REGISTRY/equal/user:1\nCMD a b\nENTRYPOINT c\n"),
    case(
        "health",
        "FROM scratch\nHEALTHCHECK --interval=1m30s --timeout=3s --start-period=1h --start-interval=500ms --retries=4 CMD curl -f http://localhost/ || exit 1\n",
    ),
    case("health-exec", "FROM scratch\nHEALTHCHECK CMD [\"/check\", \"x\"]\n"),
    case("health-none", "FROM REGISTRY/equal/odd:1\nHEALTHCHECK NONE\n"),
    case(
        "workdir",
        "FROM scratch\nWORKDIR /a\nWORKDIR b/../c\nWORKDIR /x//y/\nENV D=deep\nWORKDIR $D\nCOPY a.txt .\nCOPY b.txt ../up\n",
    ),
    case(
        "workdir-of-user",
        "FROM REGISTRY/equal/odd:1\nUSER app:web\nWORKDIR /new/for/app\nUSER 55\nWORKDIR /num\nCOPY a.txt ./\n",
    ),
    case("workdir-of-base", "FROM REGISTRY/equal/user:1\nCOPY a.txt .\nWORKDIR sub\nCOPY b.txt .\n"),
    case(
        "workdir-through-link",
        "FROM REGISTRY/equal/odd:1\nWORKDIR /app/x\nCOPY a.txt .\nCOPY b.txt /bin/\nCOPY c.md /app\n",
    ),
    case(
        "destination-link",
        "FROM REGISTRY/equal/odd:1\nCOPY a.txt /tofile\nCOPY dir/ /app/\nCOPY b.txt /odd/dangling\nCOPY dir /odd/folder/\n",
    ),
    case("odd-base", "FROM REGISTRY/equal/odd:1\nCOPY a.txt /\n"),
    case("odd-from", "FROM scratch\nCOPY --from=REGISTRY/equal/odd:1 / /\n"),
    case(
        "odd-from-chown",
        "FROM scratch\nCOPY --from=REGISTRY/equal/odd:1 --chown=1:2 --chmod=0711 /odd /odd\n",
    ),
    case(
        "odd-from-parts",
        "FROM scratch\nCOPY --from=REGISTRY/equal/odd:1 /odd/first /odd/second /two/\nCOPY --from=REGISTRY/equal/odd:1 /odd/f* /odd/s* /odd/o* /star/\nCOPY --from=REGISTRY/equal/odd:1 /bin/sh /tofile /odd/folder/own /f/\nCOPY --from=REGISTRY/equal/odd:1 /odd/folder /g\n",
    ),
    case(
        "stages",
        "FROM scratch AS One\nWORKDIR /w\nCOPY dir .\nENV A=1\nFROM scratch AS unused\nCOPY nothing /\nFROM one AS two\nCOPY a.txt more/\nENV B=$A\nFROM scratch\nCOPY --from=two /w /all\nCOPY --from=0 /w/one.txt /first\nCOPY --from=ONE w/deep/ /deep/\n",
    ),
    case(
        "stage-upon-stage",
        "FROM REGISTRY/equal/odd:1 AS base\nCOPY a.txt /odd/\nUSER app\nFROM base AS next\nCOPY --chown=app b.txt c.md /odd/opaque/\nCMD [\"x\"]\nFROM next\nENTRYPOINT [\"y\"]\n",
    ),
    Case {
        target: Some("MIDDLE"),
        ..case(
            "target",
            "FROM scratch AS first\nCOPY a.txt /1\nFROM first AS middle\nCOPY b.txt /2\nARG TARGETSTAGE\nENV S=$TARGETSTAGE\nFROM middle\nCOPY nothing /\n",
        )
    },
    case(
        "copy-from-copy",
        "FROM scratch AS a\nCOPY --chown=1:2 --chmod=4711 run.sh /r\nCOPY dir /d\nFROM scratch AS b\nCOPY --from=a / /in/\nFROM scratch\nCOPY --from=b /in/ /out/\n",
    ),
    case("trigger", "FROM REGISTRY/equal/trigger:1\nENV B=$TRIGGERED\nCOPY a.txt .\n"),
    case(
        "trigger-stage",
        "FROM scratch AS a\nENV A=stage\nONBUILD COPY --chown=1 a.txt /t/$A\nONBUILD ENV T=1\nONBUILD CMD x $A\nFROM a AS b\nENV U=$T\nFROM b\nENV V=$T\n",
    ),
    case(
        "trigger-stored",
        "FROM scratch\nONBUILD COPY . /app\nONBUILD ADD --chown=1:2 [\"a b\", \"/x\"]\nonbuild   run  make   all\nONBUILD COPY <<EOF /x\nin $it\nEOF\n",
    ),
    case(
        "add",
        "FROM scratch\nADD a.txt dir /x/\nADD files.tar /tar/\nADD files.tar.gz /gz\nADD cut.tar.gz /plain/\n",
    ),
    case(
        "add-onto",
        "FROM REGISTRY/equal/odd:1\nCOPY dir /t\nADD files.tar /\nADD --chown=app:web files.tar /own/\nADD --chmod=0700 files.tar.gz /mode/\n",
    ),
    case(
        "add-flags",
        "FROM scratch\nADD --unpack=false files.tar /kept/\nADD --exclude=t files.tar /e/\nADD --link files.tar /l/\nADD *.tar.gz /w/\n",
    ),
    case("add-slip", "FROM scratch\nADD slip.tar /in/\n"),
    case("add-through-links", "FROM REGISTRY/equal/odd:1\nADD files.tar /app\nADD files.tar /odd/folder/\n"),
    Case {
        ignore: Some("*\n!a.txt\n!dir\ndir/deep\n!**/four.go\n"),
        ..case("own-ignore", "FROM scratch\nCOPY . /\n")
    },
    Case {
        platforms: TWO,
        ..case(
            "two-platforms",
            "FROM REGISTRY/equal/odd:1\nARG TARGETARCH\nARG TARGETPLATFORM\nENV P=$TARGETPLATFORM\nCOPY a-$TARGETARCH /own\nCOPY --from=REGISTRY/equal/user:1 /etc/arch /theirs\nUSER app\nWORKDIR /w\n",
        )
    },
    Case {
        platforms: TWO,
        ..case(
            "two-platforms-cross",
            "FROM --platform=$BUILDPLATFORM REGISTRY/equal/odd:1 AS build\nARG TARGETARCH BUILDARCH\nCOPY a-$TARGETARCH /out/a\nENV X=$BUILDARCH\nFROM scratch\nARG TARGETOS TARGETVARIANT\nENV O=$TARGETOS V=$TARGETVARIANT\nCOPY --from=build /out /etc/arch /x/\n",
        )
    },
    Case {
        platforms: TWO,
        ..case("two-platforms-scratch", "FROM scratch\nADD files.tar.gz dir /d/\nCMD [\"/x\"]\n")
    },
    Case {
        platforms: &["linux/arm64"],
        ..case("other-platform", "FROM REGISTRY/equal/odd:1\nCOPY --chown=app:web a.txt /\n")
    },
];
