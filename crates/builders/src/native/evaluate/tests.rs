use std::{collections::BTreeMap, path::Path};

use shipway_core::Platform;

use super::*;
use crate::{
    NativeConfig,
    dockerfile::Dockerfile,
    native::stages::{StageBase, Triggers},
};

fn platform() -> Platform {
    "linux/arm/v7".parse().expect("valid")
}

fn args(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn assemble(text: &str, given: &[(&str, &str)], base: ImageConfig) -> (String, Assembly) {
    let dockerfile = Dockerfile::parse(text, Path::new("Dockerfile")).expect(text);
    let options = NativeConfig { args: args(given), ..NativeConfig::default() };
    let stages = Stages::new(&dockerfile, &options, &platform()).expect(text);
    let instructions = stages.instructions(stages.target, &Triggers::new()).expect(text);
    let evaluated = evaluate(&stages, stages.target, &instructions, base, None).expect(text);
    let StageBase::Image(image) = &stages.list[stages.target].base else { panic!("not of an image: {text}") };
    (image.clone(), evaluated.assembly)
}

/// A Dockerfile, the values given for its arguments, the image that `FROM` names, and the variable `X`.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str, &'static str);

#[test]
fn arguments_have_the_scope_that_docker_gives_them() {
    let table: [Case; 14] = [
        ("ARG V=1\nFROM a:$V\nENV X=$V", &[], "a:1", ""),
        ("ARG V=1\nFROM a:$V\nARG V\nENV X=$V", &[], "a:1", "1"),
        ("ARG V=1\nFROM a:$V\nARG V=2\nENV X=$V", &[], "a:1", "2"),
        ("ARG V=1\nFROM a:$V\nARG V=2\nENV X=$V", &[("V", "3")], "a:3", "3"),
        ("FROM a\nENV X=$V\nARG V=1", &[("V", "3")], "a", ""),
        ("FROM a\nARG V\nENV X=${V:-none}", &[], "a", "none"),
        ("ARG A=1\nARG B=$A$A\nFROM a:$B\nARG B\nENV X=$B", &[], "a:11", "11"),
        ("FROM a\nARG A=1 B=${A}2\nENV X=$B", &[], "a", "12"),
        ("FROM a\nARG V=1\nENV V=2\nENV X=$V", &[("V", "3")], "a", "2"),
        ("FROM a\nENV X=1\nENV Y=$X X=2 Z=$X\nENV X=$X$Y$Z", &[], "a", "211"),
        ("FROM --platform=$BUILDPLATFORM a:$BUILDOS\nENV X=$BUILDOS", &[], "a:linux", ""),
        ("FROM a\nARG TARGETARCH\nENV X=$TARGETARCH", &[("TARGETARCH", "mine")], "a", "mine"),
        ("FROM a:$TARGETARCH\nENV X=$TARGETARCH", &[], "a:arm", ""),
        (
            "FROM a\nARG TARGETPLATFORM TARGETVARIANT\nENV X=$TARGETPLATFORM,$TARGETVARIANT",
            &[],
            "a",
            "linux/arm/v7,v7",
        ),
    ];
    for (text, given, image, x) in table {
        let (from, assembly) = assemble(text, given, ImageConfig::new(platform()));
        assert_eq!((from.as_str(), assembly.config.env("X")), (image, Some(x)), "{text}");
    }
}

#[test]
fn the_command_goes_when_the_entrypoint_comes() {
    let mut base = ImageConfig::new(platform());
    base.cmd = vec!["old".to_owned()];
    base.working_dir = "/base".to_owned();
    for (text, cmd) in [
        ("FROM a", "old"),
        ("FROM a\nENTRYPOINT [\"/e\"]", ""),
        ("FROM a\nCMD [\"new\"]\nENTRYPOINT [\"/e\"]", "new"),
        ("FROM a\nENTRYPOINT [\"/e\"]\nCMD new  line", "/bin/sh -c new  line"),
        ("FROM a\nCMD []", ""),
        ("FROM a\n\nentrypoint [ ] \nCMD []\nENTRYPOINT []", ""),
    ] {
        assert_eq!(assemble(text, &[], base.clone()).1.config.cmd.join(" "), cmd, "{text}");
    }
    let (_, assembly) = assemble("FROM a\nWORKDIR x\nCOPY a .\nCOPY b ../y", &[], base);
    let copied = assembly.steps.iter().filter_map(|step| match &step.change {
        Change::Copy(copy) => Some(copy.destination.as_str()),
        _ => None,
    });
    assert_eq!(copied.collect::<Vec<_>>(), ["/base/x/", "/base/y"]);
}

#[test]
fn arguments_that_nobody_declares_are_found() {
    let dockerfile = Dockerfile::parse("ARG A\nFROM a\nARG B=1 C", Path::new("Dockerfile")).expect("valid");
    let options = NativeConfig {
        args: args(&[("A", "1"), ("C", ""), ("D", "2"), ("http_proxy", ""), ("BUILDKIT_X", "")]),
        ..NativeConfig::default()
    };
    let stages = Stages::new(&dockerfile, &options, &platform()).expect("valid");
    assert_eq!(stages.unused_args(&dockerfile), ["D"]);
}
