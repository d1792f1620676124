//! A mounted file system.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::shutdown::shut_down;
use crate::{LONG, eventually};

/// A kind of file system, in an image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileSystem {
    Ext4,
    Xfs,
}

impl FileSystem {
    const fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }

    /// Room for what an updater keeps free; XFS takes no less.
    const fn bytes(self) -> u64 {
        match self {
            Self::Ext4 => 256 << 20,
            Self::Xfs => 320 << 20,
        }
    }

    /// What comes to the disk by itself comes late: only what is asked for counts.
    const fn options(self) -> &'static str {
        match self {
            Self::Ext4 => "loop,commit=600",
            Self::Xfs => "loop",
        }
    }
}

/// A file system of a test's own. Dropped, it is gone.
#[derive(Debug)]
pub struct Volume {
    point: PathBuf,
    image: PathBuf,
    kind: FileSystem,
}

impl Volume {
    /// Makes one in an image beside `point`, and mounts it there.
    ///
    /// # Errors
    /// When there is no `mkfs` or no loop device.
    pub fn on_disk(point: &Path, kind: FileSystem) -> Result<Self> {
        Self::of_size(point, kind, kind.bytes(), &[])
    }

    /// Makes a small ext4 in an image beside `point`, of this size and with so many inodes.
    ///
    /// # Errors
    /// When there is no `mkfs` or no loop device.
    pub fn small(point: &Path, bytes: u64, inodes: u32) -> Result<Self> {
        let inodes = inodes.to_string();
        // Nothing of it is kept for root, whom the updater here is.
        Self::of_size(point, FileSystem::Ext4, bytes, &["-m", "0", "-N", &inodes])
    }

    fn of_size(point: &Path, kind: FileSystem, bytes: u64, options: &[&str]) -> Result<Self> {
        fs::create_dir_all(point)?;
        let image = point.with_extension("img");
        File::create(&image)?.set_len(bytes)?;
        let make = format!("mkfs.{}", kind.name());
        run(Command::new(make).arg("-q").args(options).arg(&image))?;
        let volume = Self { point: point.to_owned(), image, kind };
        volume.mount()?;
        Ok(volume)
    }

    /// An open handle, with which [`Volume::cut`] works whatever is going on.
    ///
    /// # Errors
    /// When it is not mounted.
    pub fn handle(&self) -> Result<File> {
        Ok(File::open(&self.point)?)
    }

    /// Cuts the power: nothing comes to the disk any more.
    ///
    /// # Errors
    /// When the file system cannot do that.
    pub fn cut(handle: &File) -> Result<()> {
        shut_down(handle).context("shut the file system down")
    }

    /// The machine is on again. Nothing may be running from it.
    ///
    /// # Errors
    /// When it cannot be mounted.
    pub fn remount(&self) -> Result<()> {
        eventually("the file system to be let go", LONG, || self.unmount(&[]).ok())?;
        self.mount()
    }

    /// From now on, what writes to it hangs in the kernel, where no signal reaches it.
    ///
    /// # Errors
    /// When the file system cannot do that.
    pub fn freeze(&self) -> Result<Frozen> {
        run(Command::new("fsfreeze").arg("--freeze").arg(&self.point))?;
        Ok(Frozen(self.point.clone()))
    }

    /// Brings all of it to the disk.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync(&self) -> Result<()> {
        Ok(rustix::fs::syncfs(self.handle()?)?)
    }

    fn mount(&self) -> Result<()> {
        let options = ["-o", self.kind.options()];
        run(Command::new("mount").args(options).arg(&self.image).arg(&self.point))
    }

    fn unmount(&self, options: &[&str]) -> Result<()> {
        run(Command::new("umount").args(options).arg(&self.point))
    }
}

/// A file system that takes no write. Dropped, it takes them again.
#[derive(Debug)]
pub struct Frozen(PathBuf);

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = run(Command::new("fsfreeze").arg("--unfreeze").arg(&self.0));
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // The last process that uses it may still be on its way out.
        let _ = self.unmount(&["--lazy"]);
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} ended with {}: {told}", output.status);
    Ok(())
}
