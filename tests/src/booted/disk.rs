//! The disk of a host before it boots: what makes it this host and no other.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Makes the directories that a host's root is laid together from, and its disk's first files.
pub(super) fn make(host: &Path, name: &str, address: Ipv4Addr) -> Result<()> {
    for name in ["root", "disk", "work"] {
        fs::create_dir_all(host.join(name))?;
        fs::set_permissions(host.join(name), fs::Permissions::from_mode(0o755))?;
    }
    let disk = host.join("disk");
    write(&disk, "/etc/hostname", format!("{name}\n").as_bytes(), 0o644)?;
    // 32 hexadecimal digits, machine-id(5).
    let random = fs::read_to_string("/proc/sys/kernel/random/uuid")?.replace('-', "");
    write(&disk, "/etc/machine-id", random.as_bytes(), 0o444)?;
    let network = format!(
        "[Match]\nName=host0\n\n[Network]\nAddress={address}/24\nLinkLocalAddressing=no\n\
         IPv6AcceptRA=no\nLLMNR=no\n"
    );
    write(&disk, "/etc/systemd/network/10-host0.network", network.as_bytes(), 0o644)
}

/// Writes a file of a host that is off, with the directories above it.
pub(super) fn write(disk: &Path, path: &str, content: &[u8], mode: u32) -> Result<()> {
    let path = disk.join(path.trim_start_matches('/'));
    let parent = path.parent().context("a file is in a directory")?;
    fs::create_dir_all(parent)?;
    fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
    Ok(fs::set_permissions(&path, fs::Permissions::from_mode(mode))?)
}
