//! What can be known of a program before it is started: whether the kernel could execute it here, and else
//! what is missing, and whose fault that is.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;

/// Bytes of a program's head that are looked at: more than the kernel reads of a script's first line.
const HEAD_BYTES: u64 = 4096;
/// Bytes of the ELF header of a program of 64 bits.
const HEADER_BYTES: usize = 64;
/// Program headers that are looked at.
const MOST_HEADERS: u16 = 128;
/// `PT_INTERP` of elf(5): where the path of the loader is.
const INTERPRETER: u32 = 3;
/// `ET_EXEC` and `ET_DYN` of elf(5).
const PROGRAMS: [u16; 2] = [2, 3];
/// Machines whose programs another one can run too: x86-64 those of the 386, 64-bit ARM those of ARM.
const ALSO: [(u16, u16); 2] = [(62, 3), (183, 40)];

/// Why a program could not be executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("execute {program}: {why}", program = program.display())]
pub struct UnexecutableError {
    pub program: PathBuf,
    pub why: String,
    pub fault: Fault,
}

/// What would have to be another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The program, on whatever host.
    Program,
    /// The program is for another kind of machine.
    Machine,
    /// The host: it lacks something, or forbids it.
    Host,
}

/// Looks whether a program that is a file with the right mode could be executed. `release` is the tree
/// that it came with; `path` is the PATH in which `env` would look for an interpreter.
pub fn check_executable(
    program: &Path,
    release: &Path,
    path: &str,
) -> Result<(), UnexecutableError> {
    match look(program, release, path) {
        Ok(None) => Ok(()),
        Ok(Some((fault, why))) => {
            Err(UnexecutableError { program: program.to_owned(), why, fault })
        }
        Err(error) => {
            let (why, fault) = (format!("it cannot be read: {error}"), Fault::Host);
            Err(UnexecutableError { program: program.to_owned(), why, fault })
        }
    }
}

type Found = Option<(Fault, String)>;

fn look(program: &Path, release: &Path, path: &str) -> io::Result<Found> {
    if rustix::fs::statvfs(program)?.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        let why = "its file system is mounted with noexec".to_owned();
        return Ok(Some((Fault::Host, why)));
    }
    let file = File::open(program)?;
    let mut head = Vec::new();
    (&file).take(HEAD_BYTES).read_to_end(&mut head)?;
    if head.is_empty() {
        return Ok(Some((Fault::Program, "it is empty".to_owned())));
    }
    if let Some(line) = head.strip_prefix(b"#!") {
        return Ok(look_at_script(line, release, path));
    }
    if head.starts_with(b"\x7fELF") {
        return look_at_elf(&file, &head, release);
    }
    let why = "the kernel knows no program like that: it is neither ELF, nor begins with #!";
    Ok((!other_formats()).then(|| (Fault::Program, why.to_owned())))
}

fn look_at_script(line: &[u8], release: &Path, path: &str) -> Found {
    let end = line.iter().position(|byte| *byte == b'\n').unwrap_or(line.len());
    let line = String::from_utf8_lossy(line.get(..end).unwrap_or_default()).into_owned();
    if line.ends_with('\r') {
        let why = "its first line ends in a carriage return, which the kernel takes for a part of the name";
        return Some((Fault::Program, why.to_owned()));
    }
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let Some(interpreter) = words.next() else {
        return Some((Fault::Program, "its first line names no interpreter".to_owned()));
    };
    let missing = missing_file(interpreter, release, "its interpreter");
    if missing.is_some() || !interpreter.ends_with("/env") {
        return missing;
    }
    // With an option, env reads the line in ways of its own.
    let name = words.next().filter(|name| !name.starts_with('-') && !name.contains(['=', '/']))?;
    let mut places = path.split(':').map(|place| Path::new(place).join(name));
    (!places.any(|place| is_executable(&place)))
        .then(|| (Fault::Host, format!("its interpreter {name} is not in the PATH ({path})")))
}

fn look_at_elf(file: &File, head: &[u8], release: &Path) -> io::Result<Found> {
    let own = own_header()?;
    let Some(header) = head.get(..HEADER_BYTES) else {
        return Ok(Some((Fault::Program, "it is cut off in its header".to_owned())));
    };
    let number = |header: &[u8], at: usize| {
        let bytes = header.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u16::from_ne_bytes)
    };
    // Class, byte order and machine.
    let (theirs, ours) = (number(header, 18), number(&own, 18));
    if header.get(4..6) != own.get(4..6) || theirs != ours {
        let runs_too = ALSO.contains(&(ours, theirs)) || other_formats();
        let why = format!("it is for another machine (ELF machine {theirs}, and not {ours})");
        return Ok((!runs_too).then_some((Fault::Machine, why)));
    }
    if !PROGRAMS.contains(&number(header, 16)) {
        return Ok(Some((Fault::Program, "it is an ELF file, and no program".to_owned())));
    }
    if header.get(4) != Some(&2) {
        return Ok(None);
    }
    look_at_program_headers(file, header, release)
}

/// Of a program of 64 bits, in this machine's order of bytes.
fn look_at_program_headers(file: &File, header: &[u8], release: &Path) -> io::Result<Found> {
    let word = |bytes: &[u8], at: usize| {
        let bytes = bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_ne_bytes)
    };
    let half = |at: usize| {
        let bytes = header.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u16::from_ne_bytes)
    };
    let (start, size, count) = (word(header, 32), half(54), half(56));
    let length = file.metadata()?.len();
    let cut_off = || Ok(Some((Fault::Program, "it is cut off".to_owned())));
    let whole = start.saturating_add(u64::from(size) * u64::from(count));
    if count == 0 || size < 56 || whole > length {
        return cut_off();
    }
    let mut missing = None;
    for index in 0..count.min(MOST_HEADERS) {
        let mut entry = [0; 56];
        file.read_exact_at(&mut entry, start + u64::from(index) * u64::from(size))?;
        let (offset, bytes) = (word(&entry, 8), word(&entry, 32));
        if offset.saturating_add(bytes) > length {
            return cut_off();
        }
        let kind = entry.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes));
        if kind == INTERPRETER {
            let mut name = vec![0; usize::try_from(bytes.min(HEAD_BYTES)).unwrap_or_default()];
            file.read_exact_at(&mut name, offset)?;
            let name = String::from_utf8_lossy(&name);
            missing = missing_file(name.trim_end_matches('\0'), release, "its loader");
        }
    }
    Ok(missing)
}

/// A file that a program needs to be started. In the release it is the release's to bring.
fn missing_file(name: &str, release: &Path, what: &str) -> Found {
    let path = release.join(name);
    if is_executable(&path) {
        return None;
    }
    let fault = if path.starts_with(release) { Fault::Program } else { Fault::Host };
    let is = if path.exists() { "is not executable" } else { "is not there" };
    Some((fault, format!("{what} {name} {is}")))
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn own_header() -> io::Result<[u8; HEADER_BYTES]> {
    let mut header = [0; HEADER_BYTES];
    File::open("/proc/self/exe")?.read_exact(&mut header)?;
    Ok(header)
}

/// Whether this machine's kernel was told of more formats of programs (`binfmt_misc`), which are not known
/// here.
fn other_formats() -> bool {
    let entries = fs::read_dir("/proc/sys/fs/binfmt_misc").into_iter().flatten().flatten();
    let mut names = entries.map(|entry| entry.file_name());
    names.any(|name| name != "register" && name != "status")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(bytes: &[u8]) -> Option<(Fault, String)> {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("program");
        fs::write(&program, bytes).unwrap();
        let checked = check_executable(&program, directory.path(), "/usr/bin:/bin");
        checked.err().map(|error| (error.fault, error.why))
    }

    fn own_program() -> Vec<u8> {
        fs::read("/proc/self/exe").unwrap()
    }

    #[test]
    fn what_the_kernel_executes_is_fine() {
        let mut long = own_program();
        assert_eq!(fault(&long), None);
        long.extend_from_slice(b"more");
        assert_eq!(fault(&long), None);
        for script in
            ["#!/bin/sh\n", "#! /bin/sh -e\n", "#!/usr/bin/env sh\n", "#!/usr/bin/env -S sh -e\n"]
        {
            assert_eq!(fault(script.as_bytes()), None, "{script}");
        }
    }

    #[test]
    fn a_program_that_runs_nowhere_is_told_from_one_that_this_host_cannot_run() {
        let whole = own_program();
        let mut object = whole.clone();
        object[16] = 1;
        for (bytes, expected, part) in [
            (&b""[..], Fault::Program, "empty"),
            (b"#!\n", Fault::Program, "no interpreter"),
            (b"#!/bin/sh\r\n", Fault::Program, "carriage return"),
            (b"#!bin/none\n", Fault::Program, "bin/none is not there"),
            (b"#!/no/such/interpreter -x\n", Fault::Host, "/no/such/interpreter is not there"),
            (b"#!/usr/bin/env no-such-interpreter\n", Fault::Host, "not in the PATH"),
            (&whole[..40], Fault::Program, "cut off"),
            (&whole[..4096], Fault::Program, "cut off"),
            (&object, Fault::Program, "no program"),
        ] {
            let (found, why) = fault(bytes).unwrap();
            assert!(found == expected && why.contains(part), "{part}: {found:?} {why}");
        }
        if !other_formats() {
            let mut other = whole;
            other[18] ^= 1;
            assert_eq!(fault(&other).unwrap().0, Fault::Machine);
            assert_eq!(fault(b"echo hello\n").unwrap().0, Fault::Program);
        }
    }
}
