//! The picture: how long each took on the same work, on a scale of tens.

use std::fmt::Write as _;

use super::table::{Peer, Row};

const NAMES: f64 = 460.0;
const SCALE: f64 = 420.0;
const LINE: f64 = 18.0;
/// The ends of the scale in seconds, as powers of ten.
const TENS: (i32, i32) = (-3, 2);

/// Draws a group of bars for each work that others do as well, as SVG.
pub(super) fn draw(rows: &[Row]) -> String {
    let (mut body, mut y, mut drawn) = (String::new(), 46.0, Vec::new());
    for row in rows.iter().filter(|row| !row.others().is_empty()) {
        // A work with several targets is drawn once.
        if drawn.contains(&row.work()) {
            continue;
        }
        drawn.push(row.work());
        let _ = writeln!(
            body,
            "<text x=\"8\" y=\"{:.0}\" class=\"work\">{}</text>",
            y + 13.0,
            escaped(row.work())
        );
        y += LINE;
        let ours = Peer::new("Shipway", row.seconds());
        for (at, peer) in std::iter::once(&ours).chain(row.others()).enumerate() {
            let class = if at == 0 { "ours" } else { "others" };
            let width = place(peer.seconds());
            let _ = writeln!(
                body,
                "<text x=\"{:.0}\" y=\"{:.0}\" class=\"name\">{}</text>\
                <rect x=\"{NAMES}\" y=\"{:.0}\" width=\"{width:.1}\" height=\"12\" class=\"{class}\"/>\
                <text x=\"{:.1}\" y=\"{:.0}\">{}</text>",
                NAMES - 8.0,
                y + 11.0,
                escaped(peer.name()),
                y + 1.0,
                NAMES + width + 6.0,
                y + 11.0,
                super::table::seconds(peer.seconds()),
            );
            y += LINE;
        }
        y += LINE / 2.0;
    }
    let mut scale = String::new();
    for ten in TENS.0..=TENS.1 {
        let x = NAMES + place(10_f64.powi(ten));
        let _ = writeln!(
            scale,
            "<line x1=\"{x:.1}\" y1=\"36\" x2=\"{x:.1}\" y2=\"{y:.0}\"/><text x=\"{x:.1}\" y=\"30\" class=\"tick\">{} s</text>",
            10_f64.powi(ten)
        );
    }
    let width = NAMES + SCALE + 90.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {y:.0}\" width=\"{width:.0}\" font-family=\"sans-serif\" \
        font-size=\"12\">\n<style>.work{{font-weight:bold}}.name{{text-anchor:end;fill:#555}}.tick{{text-anchor:middle;fill:#777}}\
        .ours{{fill:#1f6feb}}.others{{fill:#b6bec9}}line{{stroke:#e4e7eb}}</style>\n\
        <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
        <text x=\"8\" y=\"16\">Seconds on the same work, each line ten times the one before it: shorter is better.</text>\n{scale}{body}</svg>\n"
    )
}

/// Returns how far along the scale so many seconds are.
fn place(seconds: f64) -> f64 {
    let (least, most) = (f64::from(TENS.0), f64::from(TENS.1));
    let ten = seconds.max(f64::MIN_POSITIVE).log10().clamp(least, most);
    (ten - least) / (most - least) * SCALE
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::{super::table::Outcome, *};

    #[test]
    fn a_work_is_drawn_once_with_all_who_do_it() {
        let row = |work: &str, others| {
            Row::new(work, 0.1, others, Outcome::AtMost { what: "s", value: 0.1, limit: 1.0 })
        };
        let peers = || vec![Peer::new("tar & crane", 10.0), Peer::recorded("Skaffold", 1000.0)];
        let svg = draw(&[row("a `COPY`", peers()), row("a `COPY`", peers()), row("alone", Vec::new())]);
        assert_eq!(svg.matches("class=\"ours\"").count(), 1, "{svg}");
        assert_eq!(svg.matches("class=\"others\"").count(), 2);
        assert!(svg.contains(">a COPY<") && svg.contains("tar &amp; crane") && !svg.contains("alone"));
        // Two of five tens; four; and beyond the end is the end.
        for (seconds, width) in [(0.1, "168.0"), (10.0, "336.0"), (1000.0, "420.0")] {
            assert!(svg.contains(&format!("width=\"{width}\"")), "{seconds}: {svg}");
        }
    }
}
