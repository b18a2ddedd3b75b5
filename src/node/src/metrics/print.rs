//! Three prints of the table.

use std::fmt::Write;

use serde_json::{Map, Number, Value as Json};

use super::count::PERCENTILES;
use super::{Distribution, Kind, Metric, Value};

/// Lines of `mntr`: `zk_NAME`, a tab, the value. (ZooKeeper: `MonitorCommand`.)
pub fn mntr(values: &[(&'static Metric, Value)]) -> String {
    let mut text = String::new();
    each(values, |name, part| {
        // Writing to a String does not fail.
        let _ = match part {
            Part::Whole(number) => writeln!(text, "zk_{name}\t{number}"),
            Part::Decimal(number) => writeln!(text, "zk_{name}\t{:?}", rounded(number)),
        };
    });
    text
}

/// Fields of the command `monitor`: the names of `mntr` without `zk_`.
pub fn json(values: &[(&'static Metric, Value)]) -> Map<String, Json> {
    let mut fields = Map::new();
    each(values, |name, part| {
        let number = match part {
            Part::Whole(number) => Json::from(number),
            Part::Decimal(number) => {
                Number::from_f64(rounded(number)).map_or(Json::Null, Json::from)
            }
        };
        fields.insert(name.to_owned(), number);
    });
    fields
}

/// A number of its own under a name of its own.
enum Part {
    Whole(i64),
    Decimal(f64),
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// At most four digits behind the point, as ZooKeeper shows means.
fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}

/// The numbers of `mntr`: of a summary each part has a name. (ZooKeeper:
/// `AvgMinMaxCounter.values`, `AvgMinMaxPercentileCounter.values`.)
fn each(values: &[(&'static Metric, Value)], mut tell: impl FnMut(&str, Part)) {
    for (Metric { name, .. }, value) in values {
        match value {
            Value::Integer(number) => tell(name, Part::Whole(*number)),
            Value::Decimal(number) => tell(name, Part::Decimal(*number)),
            Value::Distribution(of) => {
                let Distribution { count, sum, min, max, percentiles } = *of;
                tell(&format!("avg_{name}"), Part::Decimal(of.mean()));
                for (part, number) in [("min", min), ("max", max), ("cnt", count), ("sum", sum)] {
                    tell(&format!("{part}_{name}"), Part::Whole(whole(number)));
                }
                for ((part, _, _), number) in PERCENTILES.iter().zip(percentiles.iter().flatten()) {
                    tell(&format!("{part}_{name}"), Part::Whole(whole(*number)));
                }
            }
            Value::Set(counters) => {
                for (key, count) in counters {
                    tell(&format!("{key}_{name}"), Part::Whole(*count));
                }
            }
        }
    }
}

/// The text format of Prometheus, version 0.0.4. A summary without percentiles has its sum and
/// count only.
pub fn prometheus(values: &[(&'static Metric, Value)]) -> String {
    let mut text = String::new();
    for (Metric { name, kind, help, .. }, value) in values {
        let kind = match kind {
            Kind::Counter | Kind::CounterSet => "counter",
            Kind::Gauge | Kind::GaugeSet => "gauge",
            Kind::Summary | Kind::Percentiles => "summary",
        };
        // Writing to a String does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        let _ = match value {
            Value::Integer(number) => writeln!(text, "{name} {number}"),
            Value::Decimal(number) => writeln!(text, "{name} {number}"),
            Value::Distribution(Distribution { count, sum, percentiles, .. }) => {
                for ((_, quantile, _), number) in
                    PERCENTILES.iter().zip(percentiles.iter().flatten())
                {
                    let _ = writeln!(text, "{name}{{quantile=\"{quantile}\"}} {number}");
                }
                writeln!(text, "{name}_sum {sum}\n{name}_count {count}")
            }
            Value::Set(counters) => counters.iter().try_for_each(|(key, count)| {
                writeln!(text, "{name}{{key=\"{}\"}} {count}", escaped(key))
            }),
        };
    }
    text
}

/// The value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
