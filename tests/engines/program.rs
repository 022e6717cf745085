//! Programs that are not ours, run to their end.

use std::process::{Command, Stdio};

/// Runs a command and returns what it prints; it must succeed.
pub(crate) async fn run(mut command: Command) -> String {
    command.stdin(Stdio::null());
    // Logins and settings of whoever runs the test are not for it.
    for variable in ["HOME", "DOCKER_CONFIG", "XDG_CONFIG_HOME"] {
        command.env(variable, "/nonexistent");
    }
    command.env_remove("XDG_RUNTIME_DIR");
    // A registry may be served by this runtime, so its threads may not wait.
    let running = tokio::task::spawn_blocking(move || (command.output(), command));
    let (output, command) = running.await.unwrap();
    let output = output.unwrap();
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{error}", output.status);
    out.into_owned()
}
