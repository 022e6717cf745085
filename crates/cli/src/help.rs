//! The help of each command, a file for each in `snapshots`: a new command is covered without an edit here. The file of one
//! that is named in two words has a `_` between them.

use clap::{Command, CommandFactory as _};

use crate::arguments::Arguments;

/// Calls with each command's words, that of the whole first.
fn each(command: &Command, words: &mut Vec<String>, visit: &mut dyn FnMut(&[String])) {
    words.push(command.get_name().to_owned());
    visit(words);
    for below in command.get_subcommands() {
        each(below, words, visit);
    }
    words.pop();
}

#[test]
fn the_help_of_each_command_is_as_it_was_read_last() {
    let mut count = 0;
    each(&Arguments::command(), &mut Vec::new(), &mut |words| {
        let line = words.iter().map(String::as_str).chain(["--help"]);
        let help = Arguments::command().try_get_matches_from(line).expect_err("it ends with the help");
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!(words.join("_"), help.render().to_string());
        });
        count += 1;
    });
    assert!(count > 12, "only {count} commands");
}
