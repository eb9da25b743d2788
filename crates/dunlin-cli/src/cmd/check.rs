//! `dunlin check`: try a broker against the standard, and tell its limits.

mod bench;
mod malformed;
mod probe;
mod report;
mod v3;
mod v5;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgAction, Args};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::args::{Identity, ServerArgs, seconds};
use crate::failure::{Failure, failed, not_connected, usage};
use crate::session::Signals;
use crate::status;
use bench::Bench;
use probe::{Probe, Verdict};
use report::{Report, Row};

/// How long all of a probe may take.
const PROBE_MAX: Duration = Duration::from_secs(30);

/// The arguments of `dunlin check`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(after_help = "Example: dunlin check localhost --junit check.xml\n\
    With --mqtt-version only the probes of that version are tried; without, all.\n\
    It connects as many clients, publishes below `dunlin-check/`, and removes what it retained.\n\
    lenient: it takes what no client may send; in 5.0 section 4.13.1 leaves it to the broker how\n\
    closely it looks. Exit code 1: it does otherwise than the standard says it must.")]
pub(crate) struct CheckArgs {
    /// Host name or address, instead of --hostname
    #[arg(value_name = "HOST", conflicts_with = "hostname")]
    host: Option<String>,

    /// Only probes whose label or text holds this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,

    /// Probes under way at a time
    #[arg(long, value_name = "NUMBER", default_value = "8")]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=64))]
    parallel: u8,

    /// How long nothing may come until it counts as never
    #[arg(long, value_name = "SECONDS", default_value = "0.4", value_parser = seconds)]
    quiet_after: Duration,

    /// How long an answer may take
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    patience: Duration,

    /// List the probes, and try nothing
    #[arg(long)]
    list: bool,

    /// Write the result to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write the result to this file as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Tell what passed as well
    #[arg(short = 'v', long)]
    verbose: bool,

    #[command(flatten)]
    server: ServerArgs,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// All probes: first those of 5.0, in the order of its sections.
fn probes() -> Vec<Probe> {
    let mut all = malformed::probes();
    all.extend_from_slice(v5::PROBES);
    all.extend_from_slice(v3::PROBES);
    all.sort_by_key(|probe| (!probe.version.is_v5(), probe.place()));
    all
}

/// Tries the broker; gives whether all probes passed. `is_version_given` tells a version that was asked
/// for from the default.
pub(crate) async fn run(
    args: &CheckArgs,
    is_version_given: bool,
    out: &mut dyn Write,
) -> Result<bool, Failure> {
    let version = is_version_given.then(|| args.server.version());
    let only = args.only.as_deref().unwrap_or_default();
    let wanted = |probe: &Probe| {
        let is_named = probe.label.contains(only) || probe.says.contains(only);
        is_named && version.is_none_or(|version| probe.version == version)
    };
    let probes: Vec<Probe> = probes().into_iter().filter(wanted).collect();
    if probes.is_empty() {
        let of_version = version.map_or_else(String::new, |version| format!(" of MQTT {version}"));
        return Err(usage(format!(
            "--only {only:?}: in the label or text of no probe{of_version}; --list lists them"
        )));
    }
    if args.list {
        for probe in &probes {
            writeln!(
                out,
                "{:<18} {:<7} {}",
                probe.label,
                probe.version.to_string(),
                probe.says
            )?;
        }
        return Ok(true);
    }
    let mut options = args.server.client_options_at(
        args.host.as_deref(),
        &Identity {
            client_id: Some(String::new()),
            keep_alive: 60,
            user_properties: &[],
        },
    )?;
    if let Some(flag) = args.server.connect_flags().next() {
        return Err(usage(format!(
            "{flag}: each probe has a CONNECT of its own; leave it out"
        )));
    }
    for text in args.server.without_effect() {
        status::warn(&text);
    }
    options.connect_timeout = args.patience;
    let endpoint = options.endpoint.clone();
    let bench = Bench::begin(options, args.patience, args.quiet_after)
        .await
        .map_err(|error| not_connected(&endpoint, &error))?;
    let bench = Arc::new(bench);
    let mut signals = Signals::catch()?;
    let begun = Instant::now();
    let rows = tokio::select! {
        rows = try_all(Arc::clone(&bench), &probes, usize::from(args.parallel)) => rows?,
        () = signals.next() => return Err(failed("ended by a signal")),
    };
    let report = Report {
        endpoint: endpoint.to_string(),
        limits: bench.limits(),
        took: begun.elapsed(),
        rows,
    };
    report.write_text(args.verbose, out)?;
    for (path, page) in [(&args.json, report.json()), (&args.junit, report.junit())] {
        if let Some(path) = path {
            fs::write(path, page)
                .map_err(|error| failed(format!("{}: {error}", path.display())))?;
        }
    }
    Ok(report.has_passed())
}

async fn try_all(
    bench: Arc<Bench>,
    probes: &[Probe],
    parallel: usize,
) -> Result<Vec<Row>, Failure> {
    let places = Arc::new(Semaphore::new(parallel));
    let mut running = JoinSet::new();
    for (index, probe) in probes.iter().copied().enumerate() {
        let (bench, places) = (Arc::clone(&bench), Arc::clone(&places));
        running.spawn(async move {
            let place = places.acquire_owned().await;
            let begun = Instant::now();
            let tried = tokio::time::timeout(PROBE_MAX, probe.run(&bench, index)).await;
            drop(place);
            let verdict = match tried {
                Ok(Ok(())) => Verdict::Passed,
                Ok(Err(wrong)) => wrong.into(),
                Err(_) => Verdict::Failed(format!("not done within {PROBE_MAX:?}")),
            };
            let took = begun.elapsed();
            (
                index,
                Row {
                    probe,
                    verdict,
                    took,
                },
            )
        });
    }
    let mut rows = Vec::with_capacity(probes.len());
    while let Some(ended) = running.join_next().await {
        rows.push(ended.map_err(|error| failed(error.to_string()))?);
    }
    rows.sort_by_key(|(index, _)| *index);
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use dunlin_client::codec::ProtocolVersion;

    use super::{Probe, probes};

    fn count(version: ProtocolVersion) -> usize {
        let of_version = |probe: &Probe| probe.version == version;
        probes().into_iter().filter(of_version).count()
    }

    #[test]
    fn there_are_many_probes_and_each_has_a_place_in_the_standard() {
        assert!(
            count(ProtocolVersion::V5) >= 60,
            "{}",
            count(ProtocolVersion::V5)
        );
        assert!(count(ProtocolVersion::V311) >= 10);
        let mut seen = BTreeSet::new();
        for probe in probes() {
            let is_label = probe.label.starts_with("MQTT-") || probe.label.starts_with("section ");
            assert!(is_label, "{}", probe.label);
            assert!(!probe.place().is_empty(), "{}", probe.label);
            assert!(
                seen.insert((probe.version.to_string(), probe.says)),
                "{}",
                probe.says
            );
        }
    }
}
