//! A graph of tasks as SVG: boxes with a name and what is said of it, and arrows from what is needed to who needs it.

use std::fmt::Write as _;

use crate::{
    graph::Graph,
    layout::{self, HEIGHT},
    markup::{Markup, cut},
};

/// The colours, which the page has as well.
pub(crate) const STYLE: &str = include_str!("graph.css");

/// The most letters of a line in a box.
const LETTERS: usize = 26;
/// How wide a letter of the name is.
const LETTER: f64 = 7.3;
/// Around a text.
const PADDING: f64 = 10.0;
/// Around the picture, so that no line is cut.
const MARGIN: f64 = 4.0;

/// What is written of a task.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) below: String,
    pub(crate) class: &'static str,
    /// Where a click leads.
    pub(crate) link: Option<String>,
    /// Whether it is on the chain that the run took as long as.
    pub(crate) critical: bool,
}

/// Draws a graph; `alone` as a file of its own, which brings its colours along.
pub(crate) fn draw(markup: &mut Markup, title: &str, graph: &Graph, nodes: &[Node], alone: bool) {
    let labels: Vec<(String, String)> =
        nodes.iter().map(|node| (middle(&node.id), cut(&node.below, LETTERS))).collect();
    let width = |(id, below): &(String, String)| {
        let letters = |text: &str| text.chars().count() as f64;
        (letters(id) * LETTER).max(letters(below) * LETTER * 0.92) + 2.0 * PADDING
    };
    let layout = layout::lay_out(graph, &labels.iter().map(width).collect::<Vec<_>>());
    let (width, height) = (number(layout.width + 2.0 * MARGIN), number(layout.height + 2.0 * MARGIN));
    let corner = number(-MARGIN);
    let view = format!("{corner} {corner} {width} {height}");
    let attributes = [
        ("xmlns", "http://www.w3.org/2000/svg"),
        ("class", "graph"),
        ("role", "img"),
        ("width", &*width),
        ("height", &*height),
        ("viewBox", &*view),
    ];
    markup.within("svg", &attributes, |svg| {
        svg.element("title", &[], title);
        if alone {
            svg.within("style", &[], |style| style.constant(STYLE));
        }
        svg.constant(
            "<defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
             markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>",
        );
        for arrow in &layout.arrows {
            let critical = nodes[arrow.from].critical && nodes[arrow.to].critical;
            let class = if critical { "critical" } else { "needs" };
            svg.empty("path", &[("class", class), ("d", &curve(&arrow.points)), ("marker-end", "url(#head)")]);
        }
        for ((node, (id, below)), place) in nodes.iter().zip(&labels).zip(&layout.boxes) {
            svg.end_line();
            let boxed = |svg: &mut Markup| draw_box(svg, node, id, below, *place);
            match &node.link {
                Some(link) => svg.within("a", &[("href", link)], boxed),
                None => boxed(svg),
            }
        }
    });
}

fn draw_box(svg: &mut Markup, node: &Node, id: &str, below: &str, (x, y, width): (f64, f64, f64)) {
    svg.within("g", &[("class", node.class)], |svg| {
        svg.element("title", &[], &cut(&format!("{}: {}", node.id, node.below), 400));
        let (left, text) = (number(x), number(x + PADDING));
        let measures = [
            ("x", &*left),
            ("y", &*number(y)),
            ("width", &*number(width)),
            ("height", &*number(HEIGHT)),
            ("rx", "6"),
        ];
        svg.empty("rect", &measures);
        svg.element("text", &[("x", &text), ("y", &number(y + 16.5))], id);
        svg.element("text", &[("class", "below"), ("x", &text), ("y", &number(y + 31.5))], below);
    });
}

/// Returns the path through these points: it bends between columns, and goes straight through one.
fn curve(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (place, pair) in points.windows(2).enumerate() {
        let ((x, y), (to_x, to_y)) = (pair[0], pair[1]);
        // Writing to a text cannot fail.
        let _ = match place {
            0 => write!(path, "M{} {}", number(x), number(y)),
            _ => Ok(()),
        };
        let _ = if place % 2 == 1 || (y - to_y).abs() < 0.05 {
            write!(path, "L{} {}", number(to_x), number(to_y))
        } else {
            let bend = number(f64::midpoint(x, to_x));
            write!(path, "C{bend} {} {bend} {} {} {}", number(y), number(to_y), number(to_x), number(to_y))
        };
    }
    path
}

/// Returns a name with its middle left out where it is long: what differs is mostly at the end.
fn middle(id: &str) -> String {
    let count = id.chars().count();
    if count <= LETTERS {
        return id.to_owned();
    }
    let start: String = id.chars().take(LETTERS / 2 - 1).collect();
    let end: String = id.chars().skip(count - LETTERS / 2).collect();
    format!("{start}…{end}")
}

/// Returns a measure with at most one decimal.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_and_names_are_short() {
        assert_eq!([number(1.0), number(-0.04), number(2.25), number(-3.5)], ["1", "0", "2.2", "-3.5"]);
        let id = "build:a-very-long-name-of-an-artifact-web";
        assert_eq!(middle(id), "build:a-very…-artifact-web");
        assert_eq!(middle(id).chars().count(), LETTERS);
        assert_eq!(
            curve(&[(0.0, 0.0), (10.0, 4.0), (20.0, 4.0), (30.0, 4.0)]),
            "M0 0C5 0 5 4 10 4L20 4L30 4"
        );
    }
}
