//! Giving mail to the program that injects it into the mail server (`store.release`): released messages and notices.

use anyhow::{Context, bail};
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

/// The program gets the message as it is, but for the line ends: those of a program's input are LF. Success is its
/// success.
pub fn hand_over(program: &[String], sender: &[u8], recipients: &[&[u8]], content: &[u8]) -> anyhow::Result<()> {
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
    let written = input.write_all(&lines);
    drop(input);
    let status = child.wait()?;
    if !status.success() {
        bail!("{name} ended with {status}");
    }
    Ok(written?)
}
