//! The state as Prometheus takes it (the OpenMetrics text format).
//!
//! Names begin with `vlunet_` and end with their unit, those of counters with `_total`; the
//! tables below are what there is.

use crate::telemetry::{Dropped, Durations, State, Status, Telemetry};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::Arc;

/// Media type of the text.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is measured.
pub(super) struct Metrics(Registry);

impl Metrics {
    pub(super) fn of(telemetry: &Arc<Telemetry>) -> Self {
        let mut registry = Registry::with_prefix("vlunet");
        registry.register_collector(Box::new(Scrape(Arc::clone(telemetry))));
        Self(registry)
    }

    /// As it is now.
    pub(super) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(8 << 10);
        text::encode(&mut text, &self.0)?;
        Ok(text)
    }
}

/// Reads the state when it is asked for.
struct Scrape(Arc<Telemetry>);

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

/// A metric with one value: name, help, unit, value.
type Single<'a> = (&'a str, &'a str, Option<Unit>, f64);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let status = self.0.status();
        for (name, help, unit, value) in gauges(&status) {
            encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?.encode_gauge(&value)?;
        }
        for (name, help, value) in counters(&status) {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            count(&mut metric, value)?;
        }
        encode_families(&mut encoder, &status)
    }
}

fn gauges(status: &Status) -> Vec<Single<'static>> {
    let flag = |on: bool| f64::from(u8::from(on));
    let per_second = || Some(Unit::Other("frames_per_second".into()));
    let mut gauges = vec![
        ("uptime", "Time since the loop began", Some(Unit::Seconds), status.uptime_s),
        ("input", "Rate at which the source delivers", per_second(), status.fps_in),
        ("output", "Rate at which frames leave the loop", per_second(), status.fps_out),
        ("target", "Rate that the governor holds", per_second(), status.fps_target),
        ("width", "Width of the last frame", Some(Unit::Other("pixels".into())), f64::from(status.size[0])),
        ("height", "Height of the last frame", Some(Unit::Other("pixels".into())), f64::from(status.size[1])),
        ("task_forced", "Whether the user chose the task", None, flag(status.detected.forced)),
        (
            "governor_scale",
            "Internal resolution, of each side",
            Some(Unit::Other("ratio".into())),
            status.governor.scale,
        ),
        (
            "governor_every",
            "One of how many frames is restored",
            Some(Unit::Other("frames".into())),
            f64::from(status.governor.every),
        ),
        ("throttled", "Whether the board slows itself down", None, flag(status.board.throttled)),
        ("undervoltage", "Whether the supply is too weak", None, flag(status.board.undervoltage)),
    ];
    if let Some(celsius) = status.board.temperature_c {
        gauges.push(("board_temperature", "The board's hottest zone", Some(Unit::Celsius), celsius));
    }
    gauges
}

fn counters(status: &Status) -> [(&'static str, &'static str, u64); 3] {
    [
        ("frames_in", "Frames taken from the source", status.frames_in),
        ("frames_out", "Frames that left the loop", status.frames_out),
        ("frames_bypassed", "Frames that left the loop untouched", status.bypassed),
    ]
}

fn encode_families(encoder: &mut DescriptorEncoder, status: &Status) -> fmt::Result {
    let seconds = Some(&Unit::Seconds);
    let help = "From capture to output, percentiles of the last half minute";
    let mut metric = encoder.encode_descriptor("frame_age", help, seconds, MetricType::Gauge)?;
    for (quantile, value) in quantiles(&status.age_ms) {
        metric.encode_family(&[("quantile", quantile)])?.encode_gauge(&value)?;
    }

    let help = "Each stage's own time for a frame, percentiles of the last half minute";
    let mut metric = encoder.encode_descriptor("stage", help, seconds, MetricType::Gauge)?;
    let stages = &status.stage_ms;
    for (stage, durations) in [
        ("wait", &stages.wait),
        ("detect", &stages.detect),
        ("restore", &stages.restore),
        ("hand_over", &stages.hand_over),
    ] {
        for (quantile, value) in quantiles(durations) {
            let labels = [("stage", stage), ("quantile", quantile)];
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
    }

    let help = "Frames dropped because newer ones came or as damaged, by where";
    let mut metric = encoder.encode_descriptor("frames_dropped", help, None, MetricType::Counter)?;
    let dropped = &status.dropped;
    let Dropped { source, damaged, restore, .. } = *dropped;
    let stages = [("source", "", source), ("damaged", "", damaged), ("restore", "", restore)];
    let sinks = dropped.sinks.iter().map(|(sink, &frames)| ("sink", sink.as_str(), frames));
    for (stage, sink, frames) in stages.into_iter().chain(sinks) {
        count(&mut metric.encode_family(&[("stage", stage), ("sink", sink)])?, frames)?;
    }

    let help = "Smoothed probability that a picture needs this task";
    let ratio = Unit::Other("ratio".into());
    let mut metric = encoder.encode_descriptor("task_probability", help, Some(&ratio), MetricType::Gauge)?;
    for (task, probability) in &status.detected.tasks {
        metric.encode_family(&[("task", task.as_str())])?.encode_gauge(probability)?;
    }

    let help = "What the loop does with frames: 1 for the state it is in";
    let mut metric = encoder.encode_descriptor("state", help, None, MetricType::Gauge)?;
    for (name, state) in STATES {
        let is = u32::from(state == status.state);
        metric.encode_family(&[("state", name)])?.encode_gauge(&is)?;
    }

    let help = "What went wrong since the start, by kind";
    let mut metric = encoder.encode_descriptor("faults", help, None, MetricType::Counter)?;
    for (kind, fault) in &status.faults {
        count(&mut metric.encode_family(&[("kind", kind.as_str())])?, fault.count)?;
    }
    let help = "Whether that kind of trouble is there now";
    let mut metric = encoder.encode_descriptor("fault_active", help, None, MetricType::Gauge)?;
    for (kind, fault) in &status.faults {
        metric.encode_family(&[("kind", kind.as_str())])?.encode_gauge(&u32::from(fault.active))?;
    }

    let help = "The model and the tier of it that is used";
    let mut metric = encoder.encode_descriptor("model", help, None, MetricType::Info)?;
    metric.encode_info(&[
        ("model", status.model.as_str()),
        ("tier", status.governor.tier.as_str()),
        ("engine", status.engine.as_str()),
    ])?;
    encode_installed(encoder, status)
}

/// What an update has installed, and how far it has proved itself.
fn encode_installed(encoder: &mut DescriptorEncoder, status: &Status) -> fmt::Result {
    let Some(installed) = &status.installed else { return Ok(()) };
    let help = "The model that an update has installed, and whether it is confirmed";
    let mut metric = encoder.encode_descriptor("installed_model", help, None, MetricType::Info)?;
    let state = if installed.confirmed { "confirmed" } else { "probation" };
    let labels = [("name", installed.name.as_str()), ("entry", installed.entry.as_str()), ("state", state)];
    metric.encode_info(&labels)?;
    if installed.confirmed {
        return Ok(());
    }
    let help = "Time for which the loop ran well with a model on probation, of the time that confirms it";
    let mut metric = encoder.encode_descriptor("probation", help, Some(&Unit::Seconds), MetricType::Gauge)?;
    for (part, seconds) in [("healthy", installed.healthy_s), ("needed", installed.needed_s)] {
        metric.encode_family(&[("part", part)])?.encode_gauge(&(seconds as f64))?;
    }
    Ok(())
}

const STATES: [(&str, State); 5] = [
    ("starting", State::Starting),
    ("clear", State::Clear),
    ("bypass", State::Bypass),
    ("restoring", State::Restoring),
    ("fault", State::Fault),
];

/// Percentiles in seconds, by the names that Prometheus has for them.
fn quantiles(durations: &Durations) -> [(&'static str, f64); 3] {
    let percentiles = durations.percentiles();
    [("0.5", percentiles.p50 / 1e3), ("0.9", percentiles.p90 / 1e3), ("0.99", percentiles.p99 / 1e3)]
}

fn count(metric: &mut MetricEncoder<'_>, value: u64) -> fmt::Result {
    metric.encode_counter::<[(&str, &str); 0], _, f64>(&value, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Fault, InstalledModel};
    use std::time::Duration;

    #[test]
    fn every_metric_has_its_unit_and_labels_that_cannot_break_out() {
        let telemetry = Arc::new(Telemetry::default());
        telemetry.update(|status| {
            (status.frames_in, status.fps_in, status.state) = (7, 29.5, State::Restoring);
            status.age_ms.add(Duration::from_millis(40));
            status.board.temperature_c = Some(61.5);
            status.dropped.sinks.insert("dir:a\"b\\c\nd".into(), 3);
            status.detected.tasks.insert("derain".into(), 0.75);
            let fault = Fault { count: 2, active: true, ..Fault::default() };
            status.faults.insert("camera".into(), fault);
            let (name, entry) = ("nano".into(), "1.2.0-0123456789ab".into());
            let installed = InstalledModel { name, entry, confirmed: false, healthy_s: 30, needed_s: 600 };
            status.installed = Some(installed);
        });
        let text = Metrics::of(&telemetry).text().unwrap();
        for line in [
            "# TYPE vlunet_frames_in counter",
            "vlunet_frames_in_total 7",
            "vlunet_input_frames_per_second 29.5",
            "# UNIT vlunet_frame_age_seconds seconds",
            "vlunet_frame_age_seconds{quantile=\"0.99\"} 0.04",
            "vlunet_board_temperature_celsius 61.5",
            r#"vlunet_frames_dropped_total{stage="sink",sink="dir:a\"b\\c\nd"} 3"#,
            "vlunet_frames_dropped_total{stage=\"source\",sink=\"\"} 0",
            "vlunet_task_probability_ratio{task=\"derain\"} 0.75",
            "vlunet_state{state=\"restoring\"} 1",
            "vlunet_state{state=\"clear\"} 0",
            "vlunet_faults_total{kind=\"camera\"} 2",
            "vlunet_fault_active{kind=\"camera\"} 1",
            r#"vlunet_installed_model_info{name="nano",entry="1.2.0-0123456789ab",state="probation"} 1"#,
            "vlunet_probation_seconds{part=\"healthy\"} 30.0",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
