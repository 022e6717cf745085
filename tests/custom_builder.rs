//! The conformance test of the tutorial's builder.

#[path = "../examples/custom_builder.rs"]
#[expect(dead_code, reason = "the example's own main")]
mod custom_builder;

fn main() -> std::process::ExitCode {
    shipway_testkit::builder(custom_builder::Pages::default).fixture("examples/pages").main()
}
