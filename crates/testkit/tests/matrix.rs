//! Every clause against every wrong plug-in: each wrong one breaks exactly its clause, and each clause
//! is broken by at least one. A check that no wrong plug-in can fail checks nothing.

mod wrong;

use std::{collections::BTreeSet, fmt::Debug};

use async_trait::async_trait;
use shipway_core::{
    Artifact, Command, Context, Digest, Exit, FixedCredentials, Image, Processes, Result, Store, StoreKind,
};
use shipway_testkit::{Outcome, Role, Suite, Verdict};
use wrong::{attester, builder, deployer, log_reader, runner, shelf::Shelf, tagger, tester};

/// Returns the clauses that broke, with what was seen.
fn broken(outcomes: &[Outcome]) -> Vec<String> {
    outcomes.iter().filter(|one| one.result.is_failure()).map(ToString::to_string).collect()
}

fn matrix<R: Role, W: Copy + Debug + Send + Sync>(
    suite: impl Fn(W) -> Suite<R> + Sync,
    wrongs: &[(&'static str, W)],
) {
    let clauses: BTreeSet<&str> = R::clauses().iter().map(|clause| clause.id).collect();
    let covered: BTreeSet<&str> = wrongs.iter().map(|(clause, _)| *clause).collect();
    assert_eq!(clauses, covered, "each clause has a wrong plug-in");
    let failures: Vec<String> = std::thread::scope(|scope| {
        let suite = &suite;
        let running: Vec<_> = wrongs
            .iter()
            .map(|(clause, wrong)| {
                scope.spawn(move || {
                    let outcomes = suite(*wrong).check_all();
                    let broken = broken(&outcomes);
                    let exactly = broken.len() == 1 && broken[0].starts_with(&format!("{clause} "));
                    (!exactly).then(|| format!("{wrong:?} broke {broken:#?}"))
                })
            })
            .collect();
        running.into_iter().filter_map(|one| one.join().expect("no panic")).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn right<R: Role>(suite: &Suite<R>) {
    for outcome in suite.check_all() {
        assert_eq!(outcome.result, Verdict::Holds, "{outcome}");
    }
}

/// Every command succeeds.
#[derive(Debug)]
struct Obedient;

#[async_trait]
impl Processes for Obedient {
    async fn run(&self, _cx: &Context, _command: Command) -> Result<Exit> {
        Ok(Exit::new(0))
    }
}

fn builders(wrong: builder::Wrong) -> Suite<shipway_testkit::Builders> {
    builders_into(wrong, &[StoreKind::Layout])
}

fn builders_into(wrong: builder::Wrong, stores: &'static [StoreKind]) -> Suite<shipway_testkit::Builders> {
    let base = [("base".to_owned(), "base".to_owned())];
    shipway_testkit::builder(move || builder::Packer::new(wrong, stores))
        .fixture("tests/fixtures/packed")
        .artifact(Artifact::new("fixture", ".").requires(base))
        .touch("src/main.txt")
        .world(|world| {
            world
                .processes(Obedient)
                .credentials(FixedCredentials::new().secret("token", "a-token-that-nobody-guesses"))
        })
}

fn deployers(wrong: deployer::Wrong) -> Suite<shipway_testkit::Deployers> {
    shipway_testkit::deployer(Shelf::default, move |shelf| deployer::Stacker::new(shelf, wrong))
}

fn log_readers(wrong: log_reader::Wrong) -> Suite<shipway_testkit::LogReaders> {
    shipway_testkit::log_reader(log_reader::Log::new, move |log| log_reader::Teller::new(log, wrong))
}

fn runners(wrong: runner::Wrong) -> Suite<shipway_testkit::Runners> {
    let suite = shipway_testkit::runner(move || runner::Sheller::new(wrong));
    match wrong {
        runner::Wrong::NothingButLess | runner::Wrong::R9DoesNotRefuse => suite,
        _ => {
            let digest = Digest::parse(format!("sha256:{}", "1".repeat(64))).expect("it is a digest");
            suite.image(Image::new("base", Store::Registry, runner::IMAGE, digest))
        }
    }
}

fn attesters_from(wrong: attester::Wrong, stores: &'static [StoreKind]) -> Suite<shipway_testkit::Attesters> {
    shipway_testkit::attester(move || attester::Notary::new(wrong, stores))
}

fn taggers(wrong: tagger::Wrong) -> Suite<shipway_testkit::Taggers> {
    shipway_testkit::tagger(move || tagger::Labeller::new(wrong))
}

fn testers(wrong: tester::Wrong) -> Suite<shipway_testkit::Testers> {
    testers_from(wrong, &[StoreKind::Layout])
}

fn testers_from(wrong: tester::Wrong, stores: &'static [StoreKind]) -> Suite<shipway_testkit::Testers> {
    shipway_testkit::tester(move || tester::Checker::new(wrong, stores))
        .fixture("tests/fixtures/judged")
        .world(|world| world.processes(Obedient))
}

#[test]
fn a_right_builder_passes() {
    for stores in
        [&[StoreKind::Layout], &[StoreKind::Registry], &[StoreKind::Registry, StoreKind::Layout][..]]
    {
        right(&builders_into(builder::Wrong::Nothing, stores));
    }
}

/// Returns the clauses that a plug-in does not claim, all others of which hold.
fn not_claimed<R: Role>(suite: &Suite<R>) -> Vec<&'static str> {
    let (holds, rest): (Vec<Outcome>, Vec<Outcome>) =
        suite.check_all().into_iter().partition(|outcome| outcome.result == Verdict::Holds);
    assert_eq!(holds.len() + rest.len(), R::clauses().len());
    rest.iter().for_each(|outcome| assert_eq!(outcome.result, Verdict::NotClaimed, "{outcome}"));
    rest.into_iter().map(|outcome| outcome.clause).collect()
}

#[test]
fn who_claims_less_and_refuses_the_rest_passes() {
    assert_eq!(not_claimed(&builders(builder::Wrong::NothingButLess)), ["B11"]);
    assert_eq!(not_claimed(&runners(runner::Wrong::NothingButLess)), ["R4", "R5", "R9"]);
    assert_eq!(not_claimed(&deployers(deployer::Wrong::NothingButLess)), ["D10", "D11", "D14"]);
}

#[test]
fn what_the_fixture_gives_no_occasion_for_is_not_checked() {
    let suite = builders(builder::Wrong::Nothing).artifact(Artifact::new("fixture", "."));
    let outcome = suite.check(Role::clauses().iter().find(|clause| clause.id == "B12").expect("a clause"));
    assert!(matches!(outcome.result, Verdict::Unchecked(_)), "{outcome}");
}

#[test]
fn each_wrong_builder_breaks_its_clause() {
    matrix(builders, builder::WRONGS);
}

#[test]
fn a_right_deployer_passes() {
    right(&deployers(deployer::Wrong::Nothing));
}

#[test]
fn each_wrong_deployer_breaks_its_clause() {
    matrix(deployers, deployer::WRONGS);
}

#[test]
fn a_right_attester_passes() {
    for stores in [&[StoreKind::Layout][..], &[StoreKind::Registry]] {
        right(&attesters_from(attester::Wrong::Nothing, stores));
    }
}

#[test]
fn each_wrong_attester_breaks_its_clause() {
    matrix(|wrong| attesters_from(wrong, &[StoreKind::Layout]), attester::WRONGS);
}

#[test]
fn a_right_tagger_passes() {
    right(&taggers(tagger::Wrong::Nothing));
}

#[test]
fn each_wrong_tagger_breaks_its_clause() {
    matrix(taggers, tagger::WRONGS);
}

#[test]
fn a_right_tester_passes() {
    for stores in [&[StoreKind::Layout][..], &[StoreKind::Registry]] {
        right(&testers_from(tester::Wrong::Nothing, stores));
    }
    let files = [("hello", "1"), ("deep/hello", "2")];
    right(&testers(tester::Wrong::Nothing).passes_on(files).fails_on([("deep/hello", "1")]));
}

#[test]
fn each_wrong_tester_breaks_its_clause() {
    matrix(testers, tester::WRONGS);
}

#[test]
fn a_right_runner_passes() {
    right(&runners(runner::Wrong::Nothing));
}

#[test]
fn each_wrong_runner_breaks_its_clause() {
    matrix(runners, runner::WRONGS);
}

#[test]
fn a_right_log_reader_passes() {
    right(&log_readers(log_reader::Wrong::Nothing));
}

#[test]
fn each_wrong_log_reader_breaks_its_clause() {
    matrix(log_readers, log_reader::WRONGS);
}
