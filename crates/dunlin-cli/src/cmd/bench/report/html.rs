//! The result as one page with plots, without anything from elsewhere.

use std::fmt::Write as _;

use super::{Report, json, text};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
const MARGIN: f64 = 60.0;

/// The page.
pub(crate) fn page(report: &Report<'_>) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(report, &mut page);
    page
}

fn write_page(report: &Report<'_>, page: &mut String) -> std::fmt::Result {
    let title = format!("dunlin bench run {}", report.name());
    writeln!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n\
         <style>body{{font:15px/1.5 sans-serif;max-width:760px;margin:2em auto;padding:0 1em}}\
         pre{{background:#f4f4f4;padding:1em;overflow-x:auto}}\
         svg text{{font:12px sans-serif;fill:#444}}</style></head><body>\n<h1>{title}</h1>"
    )?;
    writeln!(page, "<pre>{}</pre>", escape(&text::page(report)))?;
    let rates = rates(report);
    if rates.len() > 1 {
        writeln!(page, "<h2>Rate, a second</h2>")?;
        line(page, &rates, |seconds| format!("{seconds:.0} s"), thousands)?;
    }
    let latencies = latencies(report);
    if latencies.len() > 1 {
        writeln!(page, "<h2>Latency by percentile</h2>")?;
        line(page, &latencies, percentile, |nanos| {
            text::time(whole(nanos))
        })?;
    }
    let json = json::value(report).to_string().replace('<', "\\u003c");
    writeln!(
        page,
        "<script type=\"application/json\" id=\"result\">{json}</script>\n</body></html>"
    )
}

/// Done in each second.
#[expect(clippy::cast_precision_loss, reason = "a plot")]
fn rates(report: &Report<'_>) -> Vec<(f64, f64)> {
    let samples = &report.outcome.samples;
    let pairs = samples.iter().zip(samples.iter().skip(1));
    pairs
        .filter(|(before, after)| after.seconds - before.seconds > 0.5)
        .map(|(before, after)| {
            let done = |sample: &crate::cmd::bench::engine::crew::Sample| {
                sample.delivered.max(sample.published).max(sample.cycles)
            };
            let added = done(after).saturating_sub(done(before)) as f64;
            (after.seconds, added / (after.seconds - before.seconds))
        })
        .collect()
}

/// Latency against how many nines the percentile has.
#[expect(clippy::cast_precision_loss, reason = "a plot")]
fn latencies(report: &Report<'_>) -> Vec<(f64, f64)> {
    let histogram = &report.outcome.histogram;
    if histogram.is_empty() {
        return Vec::new();
    }
    (0..=40_u8)
        .map(|step| f64::from(step) / 10.0)
        .map(|nines| {
            let quantile = 1.0 - 10_f64.powf(-nines);
            (nines, histogram.value_at_quantile(quantile) as f64)
        })
        .collect()
}

fn percentile(nines: f64) -> String {
    let percent = 100.0 * (1.0 - 10_f64.powf(-nines));
    format!("p{}", (percent * 100.0).round() / 100.0)
}

fn thousands(value: f64) -> String {
    if value >= 1e6 {
        format!("{:.2} M", value / 1e6)
    } else if value >= 1e3 {
        format!("{:.0} k", value / 1e3)
    } else {
        format!("{value:.0}")
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "axis labels are at least 0 and far below 2^63"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

/// A line plot that begins at zero.
fn line(
    page: &mut String,
    points: &[(f64, f64)],
    x_label: impl Fn(f64) -> String,
    y_label: impl Fn(f64) -> String,
) -> std::fmt::Result {
    let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max).max(1e-9);
    let x_max = largest(&mut points.iter().map(|point| point.0));
    let y_max = largest(&mut points.iter().map(|point| point.1)) * 1.05;
    let x_at = |x: f64| MARGIN + x / x_max * (WIDTH - 2.0 * MARGIN);
    let y_at = |y: f64| HEIGHT - 30.0 - y / y_max * (HEIGHT - 50.0);
    writeln!(
        page,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"100%\" role=\"img\">"
    )?;
    for step in 0..=4_u8 {
        let share = f64::from(step) / 4.0;
        let (x, y) = (share * x_max, share * y_max);
        writeln!(
            page,
            "<line x1=\"{MARGIN}\" x2=\"{:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            WIDTH - MARGIN,
            y_at(y),
            y_at(y),
            MARGIN - 6.0,
            y_at(y) + 4.0,
            y_label(y),
            x_at(x),
            HEIGHT - 8.0,
            x_label(x)
        )?;
    }
    write!(
        page,
        "<polyline fill=\"none\" stroke=\"#1668b5\" stroke-width=\"2\" points=\""
    )?;
    for &(x, y) in points {
        write!(page, "{:.1},{:.1} ", x_at(x), y_at(y))?;
    }
    writeln!(page, "\"/></svg>")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
