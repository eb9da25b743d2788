//! `dunlin conn`: connect, and stay connected.

use clap::{ArgAction, Args};

use crate::args::ConnectArgs;
use crate::failure::{Failure, failed};
use crate::session::{self, Signals};
use crate::status::{Place, Status};

/// The arguments of `dunlin conn`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(
    after_help = "Example: dunlin conn -h localhost -Wt t/1 -Wm 'I am gone'\n\
    Ctrl-C disconnects normally, without the will."
)]
pub(crate) struct ConnArgs {
    /// -up: user properties of CONNECT, each as "NAME: VALUE"
    #[arg(long, value_name = "PROPERTY", num_args = 1.., action = ArgAction::Append)]
    user_properties: Vec<String>,

    #[command(flatten)]
    connect: ConnectArgs,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// Stays connected until a signal comes, or the connection is given up.
pub(crate) async fn run(args: &ConnArgs) -> Result<(), Failure> {
    let status = Status::new(Place::Stdout);
    let options = args.connect.client_options(&args.user_properties)?;
    let mut signals = Signals::catch()?;
    let mut session = session::connect(&args.connect, options, status, &mut signals).await?;
    loop {
        tokio::select! {
            () = signals.next() => {
                session::disconnect(&session.client).await;
                return Ok(());
            }
            event = session.events.next() => match event {
                Some(event) => session.fate.follow(&event)?,
                None => return Err(failed("the connection ended")),
            },
        }
    }
}
