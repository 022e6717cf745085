//! What the page tells of a run.

use shipway_core::{JournalEntry, RunOutcome, Timestamp};
use shipway_report::{Fate, History, HistoryLine, PastRun};

use crate::runs::{at, failed, id, plan};

/// Returns the texts of a page, a line for each element that has some, without its style and script.
fn texts(page: &str) -> String {
    let body = &page[page.find("<body>").unwrap()..page.find("<script>").unwrap()];
    let mut out = String::new();
    for piece in body.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap();
        let block = ["/p", "/li", "/h1", "/h2", "/h3", "/tr", "/dd", "/summary", "/pre", "/title", "/g"];
        out.push_str(text.trim_end_matches('\n'));
        match tag {
            tag if block.contains(&tag) => out.push('\n'),
            "/dt" | "/td" | "/span" | "/text" | "/th" => out.push_str("  "),
            _ => {}
        }
    }
    let lines = out.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_failed_run_is_told_from_its_first_failure_on() {
    let page = PastRun::of("19aa7f3c2e1-4d2-0", &failed()).page();
    insta::assert_snapshot!(texts(&page), @r"
    shop
    failed  run 19aa7f3c2e1-4d2-0
    began 2026-11-21 02:43:56 UTC
    took 3.0 s
    tasks: 7 done, 1 reused, 1 failed, 2 did not run
    built web; reused 1; released shop
    What failed first: health:shop
    release `shop` is not healthy
    note: web: the container cannot start
    look at its command
    Warnings
    build:web: trying again in 500ms: away
    Results
    What  Is now  By
    base  localhost:5000/base@sha256:abababababababababababababababababababababababababababababababab (tag v1)  build:base
    web  localhost:5000/web@sha256:abababababababababababababababababababababababababababababababab (tag v1)  push:web
    shop  revision 7 in shop, 1 object, 2026-11-21 02:43:58 UTC  apply:shop
    Graph
    the tasks and what they need
    build:base: reused · 3 ms
    build:base  reused · 3 ms
    build:web: done · 1.2 s
    build:web  done · 1.2 s
    test:web: done · 200 ms
    test:web  done · 200 ms
    push:web: done · 99 ms
    push:web  done · 99 ms
    render:shop: done · 9 ms
    render:shop  done · 9 ms
    diff:shop: done · 9 ms
    diff:shop  done · 9 ms
    gate:shop: done · 69 ms
    gate:shop  done · 69 ms
    apply:shop: done · 300 ms
    apply:shop  done · 300 ms
    health:shop: failed · 999 ms
    health:shop  failed · 999 ms
    diff:shop/undo: did not run
    diff:shop/undo  did not run
    apply:shop/undo: did not run
    apply:shop/undo  did not run
    An arrow goes from what is needed to who needs it; needs that follow from others are left out. The thick line is the critical path.
    Timeline
    The critical path, 2.8 s of 3.0 s (95 %): build:base 3 ms →   build:web 1.2 s →   test:web 200 ms →   push:web 99 ms →   render:shop 9 ms →   diff:shop 9 ms →   gate:shop 69 ms →   apply:shop 300 ms →   health:shop 999 ms
    0 ms  752 ms  1.5 s  2.2 s  3.0 s      ◆   build:base  3 ms    ◆   build:web  1.2 s  after build:base  ◆   test:web  200 ms  after build:web  ◆   push:web  99 ms  after test:web  ◆   render:shop  9 ms  after push:web  ◆   diff:shop  9 ms  after render:shop  ◆   gate:shop  69 ms  after diff:shop  ◆   apply:shop  300 ms  after gate:shop  ◆   health:shop  999 ms  after apply:shop  A thin line before a bar is the time from when a task could have begun until it did: it waited for a free slot, or its inputs were read. The last column names what it came after. ◆ and the line below a bar mark the critical path.
    Tasks
    Unfold allFold allreused  build:base  localhost:5000/base@sha256:abababababab as v1  3 ms
    does  builds into a registry
    planned  to reuse 0123456789ab
    began  2026-11-21 02:43:56 UTC
    Image
    localhost:5000/base@sha256:abababababababababababababababababababababababababababababababab
    tag v1
    done  build:web  localhost:5000/web@sha256:abababababab as v1  1.2 s
    does  builds into a registry
    because  file web/main.rs changed
    began  2026-11-21 02:43:56 UTC
    needs  build:base
    waited for  build:base
    tries  2, of at most 4
    inputs  0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    Image
    localhost:5000/web@sha256:abababababababababababababababababababababababababababababababab
    tag v1
    Log, without 3 earlier lines
    warning: trying again in 500ms: away
    packed
    done  test:web  2 cases, 0 failed  200 ms
    does  tests with shell
    began  2026-11-21 02:43:57 UTC
    needs  build:web
    waited for  build:web, then 95 ms until it could begin
    Cases
    passed   starts  20 ms
    skipped  shell: no engine
    done  push:web  localhost:5000/web@sha256:abababababab as v1  99 ms
    does  moves the tag in a registry
    began  2026-11-21 02:43:57 UTC
    needs  build:web, test:web
    waited for  test:web
    Image
    localhost:5000/web@sha256:abababababababababababababababababababababababababababababababab
    tag v1
    done  render:shop    9 ms
    does  renders the release
    began  2026-11-21 02:43:57 UTC
    needs  build:base, build:web, push:web
    waited for  push:web
    done  diff:shop  update Deployment shop/web  9 ms
    does  compares the target with what is wanted
    began  2026-11-21 02:43:57 UTC
    needs  render:shop
    waited for  render:shop
    Changes
    update Deployment shop/web
    spec:  -  image: web:1  +  image: web:2
    done  gate:shop  approved by ann at 2026-11-21T02:43:57.800Z: tests are fine  69 ms
    does  asks: may it go?
    began  2026-11-21 02:43:57 UTC
    needs  diff:shop
    waited for  diff:shop
    Answer
    approved by ann at 2026-11-21T02:43:57.800Z: tests are fine
    done  apply:shop  shop revision 7  300 ms
    does  makes these changes
    began  2026-11-21 02:43:57 UTC
    needs  diff:shop, gate:shop
    waited for  gate:shop
    Objects
    Deployment shop/web
    failed  health:shop    999 ms
    release `shop` is not healthy
    note: web: the container cannot start
    look at its command
    does  watches until it is healthy
    began  2026-11-21 02:43:58 UTC
    needs  apply:shop
    waited for  apply:shop
    did not run  diff:shop/undo
    does  compares the target with what is wanted
    did not run because of  health:shop
    needs  apply:shop, health:shop
    did not run  apply:shop/undo
    does  makes these changes
    did not run because of  diff:shop/undo
    needs  diff:shop/undo
    Made from the journal of the run 19aa7f3c2e1-4d2-0.
    ");
}

#[test]
fn the_page_is_one_file_with_a_policy() {
    let page = PastRun::of("19aa7f3c2e1-4d2-0", &failed()).page();
    let start = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\
                 <meta http-equiv=\"Content-Security-Policy\" content=\"default-src &#39;none&#39;; base-uri";
    assert!(page.starts_with(start), "{}", &page[..300]);
    assert!(!page.contains("src=") && !page.contains("<link") && !page.contains(" style=\""));
    let places = page.matches("http").count();
    assert_eq!(
        places,
        page.matches("http-equiv").count() + page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count()
    );
    assert!(page.contains("prefers-color-scheme:dark") && page.contains("@media print"));
}

#[test]
fn how_each_task_fared_and_what_was_done_follow_from_the_journal() {
    let entries = failed();
    let run = PastRun::of("run", &entries);
    let fates: Vec<Fate> = run.fates();
    use Fate::{Done, Failed, Reused, Skipped};
    assert_eq!(fates, [Reused, Done, Done, Done, Done, Done, Done, Done, Failed, Skipped, Skipped]);
    assert_eq!(run.took().unwrap().as_millis(), 3010);

    // Killed in the middle of the apply, and gone on with after a day.
    let apply = |entry: &JournalEntry| matches!(entry, JournalEntry::Started { task, .. } if *task == id("apply:shop"));
    let until = entries.iter().position(apply).unwrap();
    let run = PastRun::of("run", &entries[..=until]);
    assert_eq!((run.outcome, run.ending(), run.fates()[7]), (None, "did not end", Fate::Cut));
    let day = 86_400_000;
    let mut resumed = entries[..=until].to_vec();
    resumed.push(JournalEntry::Planned { plan: plan(), at: at(day) });
    resumed.push(JournalEntry::Ended { outcome: RunOutcome::Cancelled, at: at(day + 300) });
    let run = PastRun::of("run", &resumed);
    assert_eq!((run.took().unwrap().as_millis(), run.sessions.len(), run.ending()), (2000, 2, "was stopped"));
    let page = run.page();
    assert!(
        page.contains("A dashed line is a pause")
            && page.contains("gone on with <b>2026-11-22 02:43:56 UTC</b>")
    );

    // Nothing failed, so there was no need to go back.
    let succeeded: Vec<JournalEntry> =
        entries.iter().filter(|entry| !format!("{entry:?}").contains("Unhealthy")).cloned().collect();
    assert_eq!(PastRun::of("run", &succeeded).fates()[9..], [Fate::Unneeded, Fate::Unneeded]);
}

#[test]
fn a_journal_without_moments_is_told_as_far_as_it_goes() {
    let entries: Vec<JournalEntry> = failed()
        .into_iter()
        .map(|mut entry| {
            match &mut entry {
                JournalEntry::Planned { at, .. }
                | JournalEntry::Started { at, .. }
                | JournalEntry::Ended { at, .. } => *at = None,
                JournalEntry::Finished { trace, .. } => *trace = Default::default(),
                _ => {}
            }
            entry
        })
        .collect();
    let run = PastRun::of("run", &entries);
    assert_eq!((run.began(), run.took()), (None, None));
    let page = run.page();
    assert!(page.contains("wrote no moments") && page.contains("release `shop` is not healthy"));
}

#[test]
fn past_runs_are_a_table() {
    let damaged = shipway_core::Error::bad_output("the journal is damaged");
    let going = [JournalEntry::Planned { plan: plan(), at: Some(Timestamp(1_795_229_036_120)) }];
    let lines = [
        HistoryLine::of(&PastRun::of("19aa7f3c2e2-4d2-1", &failed())),
        HistoryLine::of(&PastRun::of("19aa7f3c2e1-4d2-0", &going)),
        HistoryLine::of(&PastRun::of("old", &[JournalEntry::Planned { plan: plan(), at: None }])),
        HistoryLine::unreadable("torn", &damaged),
    ];
    insta::assert_snapshot!(History(&lines).to_string(), @r"
    RUN                BEGAN                     TOOK  OUTCOME         WHAT
    19aa7f3c2e2-4d2-1  2026-11-21 02:43:56 UTC  3.0 s  failed          shop: built web; reused 1; released shop: health:shop: release `shop` is not healthy
    19aa7f3c2e1-4d2-0  2026-11-21 02:43:56 UTC   0 ms  did not end     shop
    old                unknown                         did not end     shop
    torn               unknown                         cannot be read  the journal is damaged
    ");
}
