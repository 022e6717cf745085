//! The graph of a plan in its forms.

use shipway_core::{Action, Plan, Task};
use shipway_report::PlanGraph;

use crate::{
    runs::{id, plan},
    strict,
};

#[test]
fn the_text_says_who_comes_after_whom_and_why_it_runs() {
    insta::assert_snapshot!(PlanGraph(&plan()).text(90), @r"
    ○ build:base       reuses 0123456789ab
    ↓ build:web        runs: file web/main.rs changed
    ↓ test:web         runs
    ↓ push:web         runs
    ↓ render:shop      runs
    ↓ diff:shop        runs
    ↓ gate:shop        asks: may it go?
    ↓ apply:shop       runs
    ↓ health:shop      runs
    ↓ diff:shop/undo   only after a failure
    ↓ apply:shop/undo  only after a failure
    11 tasks: 7 run, 1 reuse, 1 ask, 2 only after a failure
    ");
}

#[test]
fn a_narrow_terminal_gets_short_lines() {
    for columns in [0, 20, 33, 50, 80] {
        let text = PlanGraph(&plan()).text(columns);
        let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= columns.max(20), "{longest} in {columns} columns:\n{text}");
        for task in &plan().tasks {
            assert!(
                columns < 33 || text.contains(task.id.as_str()),
                "{columns} columns lack {}:\n{text}",
                task.id
            );
        }
    }
    insta::assert_snapshot!(PlanGraph(&plan()).text(33), @r"
    ○ build:base  reuses 0123456789ab
    ↓ build:web
        runs: file web/main.rs
        changed
    ↓ test:web  runs
    ↓ push:web  runs
    ↓ render:shop  runs
    ↓ diff:shop  runs
    ↓ gate:shop  asks: may it go?
    ↓ apply:shop  runs
    ↓ health:shop  runs
    ↓ diff:shop/undo
        only after a failure
    ↓ apply:shop/undo
        only after a failure
    11 tasks: 7 run, 1 reuse, 1 ask,
      2 only after a failure
    ");
}

#[test]
fn dot_has_every_task_and_every_need() {
    insta::assert_snapshot!(PlanGraph(&plan()).dot(), @r#"
    digraph "shop" {
      rankdir=LR;
      node [shape=box, style=rounded, fontname="monospace", fontsize=11];
      "build:base" [label="build:base\nreuses 0123456789ab", style="rounded", color=gray50];
      "build:web" [label="build:web\nruns: file web/main.rs changed", style="rounded,bold"];
      "test:web" [label="test:web\nruns", style="rounded,bold"];
      "push:web" [label="push:web\nruns", style="rounded,bold"];
      "render:shop" [label="render:shop\nruns", style="rounded,bold"];
      "diff:shop" [label="diff:shop\nruns", style="rounded,bold"];
      "gate:shop" [label="gate:shop\nasks: may it go?", style="rounded,bold", shape=diamond];
      "apply:shop" [label="apply:shop\nruns", style="rounded,bold"];
      "health:shop" [label="health:shop\nruns", style="rounded,bold"];
      "diff:shop/undo" [label="diff:shop/undo\nonly after a failure", style="rounded,dashed", color=gray50];
      "apply:shop/undo" [label="apply:shop/undo\nonly after a failure", style="rounded,dashed", color=gray50];
      "build:base" -> "build:web";
      "build:web" -> "test:web";
      "build:web" -> "push:web";
      "test:web" -> "push:web";
      "build:base" -> "render:shop";
      "build:web" -> "render:shop";
      "push:web" -> "render:shop";
      "render:shop" -> "diff:shop";
      "diff:shop" -> "gate:shop";
      "diff:shop" -> "apply:shop";
      "gate:shop" -> "apply:shop";
      "apply:shop" -> "health:shop";
      "apply:shop" -> "diff:shop/undo";
      "health:shop" -> "diff:shop/undo";
      "diff:shop/undo" -> "apply:shop/undo";
    }
    "#);
}

#[test]
fn the_picture_is_well_formed_and_has_every_task() {
    let svg = PlanGraph(&plan()).svg();
    let elements = strict::elements(&svg).unwrap();
    assert_eq!(elements.iter().filter(|name| *name == "rect").count(), plan().tasks.len());
    assert!(svg.contains(">only after a failure</text>") && svg.contains("prefers-color-scheme:dark"));
    // Needs that follow from others are left out: 10 of 14 are drawn.
    assert_eq!(svg.matches("marker-end").count(), 10);
}

#[test]
fn a_long_chain_and_a_broad_plan_are_drawn_in_a_moment() {
    let step = |n: usize| id(&format!("run:{n}"));
    let chain = (0..1500_usize).map(|n| {
        let needs = n.checked_sub(1).map(step);
        Task::new(step(n), Action::Run, "a").needs(needs.into_iter().collect::<Vec<_>>())
    });
    let broad = (0..1200).map(|n| {
        let needs =
            if n < 600 { Vec::new() } else { (0..20).map(|m| step((n * 7 + m * 31) % 600)).collect() };
        Task::new(step(n), Action::Run, "a").needs(needs)
    });
    for tasks in [chain.collect::<Vec<_>>(), broad.collect()] {
        let plan = Plan::new("large").tasks(tasks);
        let graph = PlanGraph(&plan);
        assert!(graph.text(80).lines().count() >= plan.tasks.len());
        assert!(graph.dot().len() > plan.tasks.len() && graph.svg().ends_with("</svg>\n"));
    }
}
