//! Tells shells and `man` about the command: completions, man pages.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use super::print;
use super::status::Ending;

/// What stands under the help of `completions`.
const WHERE_COMPLETIONS_GO: &str = "\
A shell reads the script when it starts. For bash:
  squall completions bash > ~/.local/share/bash-completion/completions/squall";

#[derive(Args)]
#[command(after_help = WHERE_COMPLETIONS_GO)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, mut command: clap::Command) -> Result<(), Ending> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "squall", &mut script);
        print(&String::from_utf8_lossy(&script))
    }
}

/// What stands under the help of `man`.
const WHERE_PAGES_GO: &str = "\
`man` finds the pages in the folders of its path. For one user:
  squall man ~/.local/share/man/man1";

#[derive(Args)]
#[command(after_help = WHERE_PAGES_GO)]
pub(crate) struct Man {
    /// The directory; it is made if it does not exist
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

impl Man {
    pub(crate) fn run(&self, command: clap::Command) -> Result<(), Ending> {
        let written = fs::create_dir_all(&self.dir)
            .and_then(|()| clap_mangen::generate_to(command, &self.dir));
        written.map_err(|error| {
            let dir = self.dir.display();
            Ending::input(format!("cannot write man pages to `{dir}`: {error}"))
        })
    }
}
