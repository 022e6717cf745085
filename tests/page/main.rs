//! The page of a run, made from the journal of a real one and opened in a real browser. `SHIPWAY_PAGES=FOLDER` leaves
//! the page there for a look.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the test prepares sources, starts the browser, and tells that it was skipped"
)]

mod browser;
mod shop;
#[path = "../support/skip.rs"]
mod skip;

use shipway::{
    Action, JournalEntry, Outcome, Output, Plan, Task, TaskId, Timestamp, Trace,
    report::{Fate, PastRun},
};

use self::{browser::Browser, shop::Shop};

fn fate(run: &PastRun, id: &str) -> Fate {
    let place = run.tasks.iter().position(|past| past.task.id.as_str() == id);
    run.fates()[place.unwrap_or_else(|| panic!("there is no {id}"))]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_real_run_tells_what_became_of_it() {
    let shop = Shop::new().await;
    let first = shop.run().await;
    assert_eq!((first.ending(), first.first_failure()), ("succeeded", None));
    assert_eq!(fate(&first, "diff:shop/undo"), Fate::Unneeded);

    shop.change();
    shop.break_it();
    let run = shop.run().await;
    assert_eq!(run.ending(), "failed");
    for (id, expected) in [
        ("build:base", Fate::Reused),
        ("build:web", Fate::Done),
        ("build:cart", Fate::Done),
        ("run:lint", Fate::Done),
        ("run:audit", Fate::Allowed),
        ("health:shop", Fate::Failed),
        ("apply:shop/settle", Fate::Skipped),
        ("health:shop/undo", Fate::Done),
    ] {
        assert_eq!(fate(&run, id), expected, "{id}");
    }
    assert_eq!(run.first_failure().unwrap().0.task.id.as_str(), "health:shop");
    assert_eq!(run.what(), "built web, cart; reused 1; restored shop");

    let page = run.page();
    if let Some(folder) = std::env::var_os("SHIPWAY_PAGES") {
        std::fs::write(std::path::Path::new(&folder).join("report.html"), &page).unwrap();
    }
    for told in [
        "What failed first: <a class=\"id\" href=\"#task-",
        "<dt>because</dt><dd>file cart/run changed",
        "<dt>tries</dt><dd>2, of at most 4</dd>",
        "warning: trying again in 500ms",
        "lint: 12 files, no complaint",
        "<span class=\"plus\">",
        "approved by ann",
        "passed   labels",
        "The critical path, ",
    ] {
        assert!(page.contains(told), "the page lacks {told}");
    }
    let Some(browser) = Browser::find("the_page_of_a_real_run_tells_what_became_of_it") else { return };
    let (dom, said) = browser.open(&page);
    assert_eq!(said, "", "the browser complains");
    // The script has run, which the policy allows by its hash.
    assert!(dom.contains("<div class=\"tools\"><input"), "{dom}");
}

#[test]
fn what_was_written_down_runs_nothing_in_a_browser() {
    let Some(browser) = Browser::find("what_was_written_down_runs_nothing_in_a_browser") else { return };
    let hostile = "</title></style></script><script>document.title='run'</script><img/src=x/onerror=document.title='run'>\
                   \"'onload=document.title='run'><svg/onload=document.title='run'><base/href=//x><meta/http-equiv=refresh/content=0;url=//x>";
    let id = TaskId::parse(hostile).unwrap();
    let run = PastRun::of(
        hostile,
        &[
            JournalEntry::Planned {
                plan: Plan::new(hostile).tasks([Task::new(id.clone(), Action::Run, hostile)]),
                at: Some(Timestamp(0)),
            },
            JournalEntry::Finished {
                task: id,
                outcome: Outcome::Failed {
                    error: shipway::Error::internal(hostile).hint(hostile).into_report(),
                },
                output: Output::Nothing,
                trace: Trace::new().lines([hostile.to_owned()]).at(Timestamp(9)),
            },
        ],
    );
    let (dom, said) = browser.open(&run.page());
    assert_eq!(said, "", "the browser complains");
    assert_eq!(dom.matches("<script").count(), 1, "{dom}");
    assert!(!dom.contains("<img") && !dom.contains("<base") && !dom.contains("<title>run</title>"), "{dom}");
    // What is not escaped would have run: the browser is no better than the page.
    let open = format!("<!DOCTYPE html><title>still</title>{hostile}");
    assert!(browser.open(&open).0.contains("<title>run</title>"));
}
