//! Colours and fonts of charts.

use plotters::style::RGBColor;

/// What a colour is for. The data colours are those of Okabe & Ito (*Color Universal Design*, 2008), which colour-blind readers can
/// tell apart, and are lightened for dark pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Titles and legends.
    Text,
    /// Ticks and axis titles.
    Muted,
    /// Grid lines.
    Grid,
    /// The data a reader came for.
    Blue,
    /// What is worse or rarer.
    Vermillion,
    /// What is good.
    Green,
    /// What it is held against.
    Grey,
}

/// One colour in both appearances of the page.
struct Colour {
    ink: Ink,
    /// Name of the CSS variable and class.
    name: &'static str,
    light: (u8, u8, u8),
    dark: (u8, u8, u8),
}

const COLOURS: &[Colour] = &[
    Colour { ink: Ink::Text, name: "text", light: (0x1c, 0x21, 0x28), dark: (0xe9, 0xec, 0xf1) },
    Colour { ink: Ink::Muted, name: "muted", light: (0x5c, 0x66, 0x73), dark: (0x9a, 0xa4, 0xb2) },
    Colour { ink: Ink::Grid, name: "grid", light: (0xe3, 0xe7, 0xec), dark: (0x2c, 0x33, 0x3d) },
    Colour { ink: Ink::Blue, name: "blue", light: (0x00, 0x72, 0xb2), dark: (0x5a, 0xb4, 0xf0) },
    Colour { ink: Ink::Vermillion, name: "vermillion", light: (0xd5, 0x5e, 0x00), dark: (0xff, 0x93, 0x4f) },
    Colour { ink: Ink::Green, name: "green", light: (0x00, 0x8f, 0x6a), dark: (0x35, 0xc9, 0xa0) },
    Colour { ink: Ink::Grey, name: "grey", light: (0x8a, 0x94, 0xa3), dark: (0x7d, 0x88, 0x98) },
];

/// The family under which the charts' font is registered with plotters.
pub(super) const FONT: &str = "chart";

/// What a browser shows instead: the system's own sans serif.
pub(super) const FONT_STACK: &str =
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Helvetica Neue', Arial, sans-serif";

impl Ink {
    /// The colour on a light page: the one drawn with.
    pub(super) fn light(self) -> RGBColor {
        let (r, g, b) = COLOURS.iter().find(|colour| colour.ink == self).map_or((0, 0, 0), |colour| colour.light);
        RGBColor(r, g, b)
    }
}

fn hex((r, g, b): (u8, u8, u8)) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}

/// Definitions of the chart colours as CSS variables `--chart-NAME`.
#[must_use]
pub fn css_variables(dark: bool) -> String {
    let value = |colour: &Colour| hex(if dark { colour.dark } else { colour.light });
    COLOURS.iter().map(|colour| format!("--chart-{}:{};", colour.name, value(colour))).collect()
}

/// CSS rules that let the classes of a chart follow the variables.
#[must_use]
pub fn css_classes() -> String {
    let rule = |colour: &Colour| {
        let name = colour.name;
        format!(".f-{name}{{fill:var(--chart-{name})}}.s-{name}{{stroke:var(--chart-{name})}}")
    };
    COLOURS.iter().map(rule).collect()
}

/// Gives every coloured element of a drawn SVG the class of its colour. The colour itself stays for viewers without CSS.
pub(super) fn add_classes(svg: &str) -> String {
    let mut out = svg.to_owned();
    for colour in COLOURS {
        let (name, hex) = (colour.name, hex(colour.light));
        out = out.replace(&format!("fill=\"{hex}\""), &format!("class=\"f-{name}\" fill=\"{hex}\""));
        out = out.replace(&format!("stroke=\"{hex}\""), &format!("class=\"s-{name}\" stroke=\"{hex}\""));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ink_has_one_colour_of_its_own() {
        let inks = [Ink::Text, Ink::Muted, Ink::Grid, Ink::Blue, Ink::Vermillion, Ink::Green, Ink::Grey];
        let mut colours: Vec<_> = inks.iter().map(|ink| ink.light()).map(|RGBColor(r, g, b)| (r, g, b)).collect();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!((colours.len(), COLOURS.len()), (inks.len(), inks.len()));
    }

    #[test]
    fn elements_get_the_class_of_their_colour() {
        let svg = add_classes("<rect fill=\"#0072B2\" stroke=\"none\"/><line stroke=\"#E3E7EC\"/>");
        assert_eq!(svg, "<rect class=\"f-blue\" fill=\"#0072B2\" stroke=\"none\"/><line class=\"s-grid\" stroke=\"#E3E7EC\"/>");
    }
}
