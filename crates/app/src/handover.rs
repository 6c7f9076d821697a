//! Giving mail to the program that injects it into the mail server (`store.release`): released messages and notices.

use anyhow::{Context, bail};
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A program that is not ready by then is ended, and has failed.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(20);

/// The program gets the message as it is, but for the line ends: those of a program's input are LF. Success is its
/// success.
pub fn hand_over(program: &[String], sender: &[u8], recipients: &[&[u8]], content: &[u8]) -> anyhow::Result<()> {
    hand_over_within(PATIENCE, program, sender, recipients, content)
}

fn hand_over_within(
    patience: Duration,
    program: &[String],
    sender: &[u8],
    recipients: &[&[u8]],
    content: &[u8],
) -> anyhow::Result<()> {
    let (name, arguments) = program.split_first().context("store.release names no program")?;
    let mut command = Command::new(name);
    command.args(arguments).arg("-f").arg(OsStr::from_bytes(sender)).arg("--");
    for recipient in recipients {
        command.arg(OsStr::from_bytes(recipient));
    }
    let mut child = command.stdin(Stdio::piped()).spawn().with_context(|| name.clone())?;
    let mut input = child.stdin.take().context("no input")?;
    let mut lines = Vec::with_capacity(content.len());
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(line) => {
                lines.extend_from_slice(line);
                lines.push(b'\n');
            }
            None => lines.extend_from_slice(line),
        }
    }
    // It may take nothing: then who writes waits, and ends with the program.
    let writing = std::thread::spawn(move || input.write_all(&lines));
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if began.elapsed() > patience {
            let _ = child.kill();
            let _ = child.wait();
            bail!("{name} was not ready after {} s", patience.as_secs());
        }
        std::thread::sleep(LOOK);
    };
    if !status.success() {
        bail!("{name} ended with {status}");
    }
    match writing.join() {
        Ok(written) => Ok(written?),
        Err(_) => bail!("{name}: nothing could be written"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let much = vec![b'x'; 1 << 20]; // more than a pipe holds
        let said = hand_over_within(Duration::from_secs(1), &to("exec sleep 1000"), b"", &[b"a@b"], &much);
        assert!(said.unwrap_err().to_string().contains("was not ready"));
        assert!(hand_over(&to("cat >/dev/null"), b"", &[b"a@b"], &much).is_ok());
        assert!(hand_over(&to("cat >/dev/null; exit 3"), b"", &[b"a@b"], b"x").is_err());
    }
}
