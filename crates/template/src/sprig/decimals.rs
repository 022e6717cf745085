//! Numbers with a fraction, reckoned with in tens as shopspring/decimal does: 0.1 and 0.2 are 0.3.

use gotmpl::Value;

use super::{
    ANY, Answer, Function,
    arguments::{Arguments, fraction},
    function,
};

pub(super) const ALL: &[Function] = &[
    function("addf", 0, ANY, |a| reckoned(a.from(0), Some(Decimal { digits: 0, power: 0 }), Decimal::plus)),
    function("add1f", 1, 1, |a| reckoned(a.from(0), Some(Decimal { digits: 1, power: 0 }), Decimal::plus)),
    function("subf", 1, ANY, |a| reckoned(a.from(0), None, |left, right| left.plus(right.negative()))),
    function("mulf", 1, ANY, |a| reckoned(a.from(0), None, Decimal::times)),
    function("divf", 1, ANY, |a| reckoned(a.from(0), None, Decimal::divided)),
    function("maxf", 1, ANY, |a| Ok(chosen(a, f64::max))),
    function("minf", 1, ANY, |a| Ok(chosen(a, f64::min))),
];

/// What is no number stays so, as with Go's `math.Max`.
fn chosen(a: &Arguments, choose: impl Fn(f64, f64) -> f64) -> Value {
    let numbers = a.from(1).iter().map(fraction);
    Value::Float(numbers.fold(fraction(a.any(0)), |left, right| match left.is_nan() || right.is_nan() {
        true => f64::NAN,
        false => choose(left, right),
    }))
}

fn reckoned(
    values: &[Value],
    start: Option<Decimal>,
    with: impl Fn(Decimal, Decimal) -> Option<Decimal>,
) -> Answer {
    let wrong = || "the numbers have too many digits to reckon with, or one is divided by zero".to_owned();
    let mut sum = start;
    for value in values {
        let number = Decimal::of(fraction(value)).ok_or_else(wrong)?;
        sum = Some(match sum {
            Some(sum) => with(sum, number).ok_or_else(wrong)?,
            None => number,
        });
    }
    let Decimal { digits, power } = sum.ok_or_else(wrong)?;
    format!("{digits}e{power}").parse().map(Value::Float).map_err(|_| wrong())
}

/// Places after the point that a division gives.
const PLACES: i32 = 16;

/// `digits` times ten to the `power`.
#[derive(Clone, Copy)]
struct Decimal {
    digits: i128,
    power: i32,
}

impl Decimal {
    /// The fewest digits that mean the number.
    fn of(number: f64) -> Option<Self> {
        let shown = format!("{number:e}");
        let (mantissa, power) = shown.split_once('e')?;
        let places = mantissa.split_once('.').map_or(0, |(_, places)| places.len());
        let digits = mantissa.replace('.', "").parse().ok()?;
        Some(Self { digits, power: power.parse::<i32>().ok()? - i32::try_from(places).ok()? })
    }

    fn negative(self) -> Self {
        Self { digits: -self.digits, power: self.power }
    }

    /// Returns the digits by this power, which is not above its own.
    fn at(self, power: i32) -> Option<i128> {
        match self.digits {
            0 => Some(0),
            digits => digits.checked_mul(10_i128.checked_pow(u32::try_from(self.power - power).ok()?)?),
        }
    }

    fn plus(self, other: Self) -> Option<Self> {
        let power = self.power.min(other.power);
        Some(Self { digits: self.at(power)?.checked_add(other.at(power)?)?, power })
    }

    fn times(self, other: Self) -> Option<Self> {
        let power = self.power.checked_add(other.power)?;
        Some(Self { digits: self.digits.checked_mul(other.digits)?, power })
    }

    /// Rounds half away from zero.
    fn divided(self, other: Self) -> Option<Self> {
        let up = self.power.checked_sub(other.power)?.checked_add(PLACES)?;
        let (dividend, divisor) = match u32::try_from(up) {
            Ok(up) => (self.digits.checked_mul(10_i128.checked_pow(up)?)?, other.digits),
            Err(_) => (self.digits, other.digits.checked_mul(10_i128.checked_pow(up.unsigned_abs())?)?),
        };
        let (whole, left) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
        let away = if (dividend < 0) == (divisor < 0) { 1 } else { -1 };
        let rounded = left.unsigned_abs().checked_mul(2)? >= divisor.unsigned_abs();
        Some(Self { digits: whole.checked_add(if rounded { away } else { 0 })?, power: -PLACES })
    }
}
