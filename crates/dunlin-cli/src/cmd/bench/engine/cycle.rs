//! Connections that are made and ended again and again.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;

use super::connect::{Accepted, ConnectError};
use super::shared::Phase;
use super::worker::Worker;

/// Between two looks at whether the run has begun.
const PATIENCE: Duration = Duration::from_millis(5);

/// Makes and ends connections of one client while the run runs.
pub(crate) async fn run(worker: Rc<Worker>, client_id: String, is_takeover: bool) {
    worker.shared.connected.fetch_add(1, Ordering::Relaxed);
    while worker.shared.phase() == Phase::Connecting {
        sleep(PATIENCE).await;
    }
    let mut held = None;
    while worker.shared.phase().is_running() {
        let began_ns = worker.shared.now_ns();
        match once(&worker, &client_id, is_takeover, &mut held).await {
            Ok(()) => {
                let took_ns = worker.shared.now_ns().saturating_sub(began_ns);
                worker.cycled(took_ns);
            }
            Err(error) => {
                worker.shared.failed.fetch_add(1, Ordering::Relaxed);
                worker.shared.report(&error);
                held = None;
                sleep(PATIENCE).await;
            }
        }
    }
}

async fn once(
    worker: &Worker,
    client_id: &str,
    is_takeover: bool,
    held: &mut Option<Accepted>,
) -> Result<(), ConnectError> {
    let accepted = Accepted::open(&worker.plan.client, client_id).await?;
    if !is_takeover {
        return accepted.close().await;
    }
    if let Some(mut before) = held.replace(accepted) {
        before.wait_for_end().await?;
    }
    Ok(())
}
