//! Exchanges as columns in memory: what a trace's rows are while they wait to be sorted and encoded.

use parquet::data_type::{BoolType, Int32Type, Int64Type};

use crate::columns::{Bodies, Column, Lists, Names, Numbers, OptionalNumbers, columns};
use crate::{Exchange, Header, TraceNs, Yield};

/// What a row is sorted by, see [`Exchange::order`].
pub(crate) type Order = (TraceNs, u64, u32, u64, u32);

/// What a row weighs in columns besides texts and bodies, roughly: the width of all columns of numbers.
const ROW_BYTES: usize = 256;
/// The same for an item of a list.
const ITEM_BYTES: usize = 16;

columns! {
    /// Names and values, of headers for example.
    Pairs { name: Names, value: Names }
}

columns! {
    /// The columns of a trace.
    TraceColumns {
        id: Numbers<Int64Type>,
        origin: Numbers<Int64Type>,
        copy: Numbers<Int32Type>,
        at_ns: Numbers<Int64Type>,
        session: Numbers<Int64Type>,
        seq: Numbers<Int32Type>,
        stream: Numbers<Int64Type>,
        kind: Names,
        effect: Names,
        txn_name: Names,
        txn_id: Names,
        protocol: Names,
        version: Names,
        endpoint: Names,
        collection: Names,
        operation: Names,
        method: Names,
        target: Names,
        headers: Lists<Pairs>,
        request: Bodies,
        request_bytes: Numbers<Int64Type>,
        response_bytes: Numbers<Int64Type>,
        items: Numbers<Int32Type>,
        status: Names,
        ok: OptionalNumbers<BoolType>,
        first_byte_ns: OptionalNumbers<Int64Type>,
        latency_ns: OptionalNumbers<Int64Type>,
        answer_hash: OptionalNumbers<Int64Type>,
        answer_ids: Lists<Names>,
        yields: Lists<Pairs>,
        response: Bodies,
        flags: Lists<Names>,
    }
}

impl TraceColumns {
    /// Appends a row as the exchange has it, with its own id.
    pub(crate) fn push(&mut self, exchange: &Exchange) {
        self.push_place(exchange);
        self.push_names(exchange);
        self.push_request(exchange);
        self.push_answer(exchange);
    }

    fn push_place(&mut self, exchange: &Exchange) {
        self.id.push(exchange.id.cast_signed());
        self.origin.push(exchange.origin.cast_signed());
        self.copy.push(exchange.copy.cast_signed());
        self.at_ns.push(exchange.at.ns());
        self.session.push(exchange.session.cast_signed());
        self.seq.push(exchange.seq.cast_signed());
        self.stream.push(exchange.stream.cast_signed());
        self.kind.push(Some(exchange.kind.as_str()));
        self.effect.push(Some(exchange.effect.as_str()));
        let txn = exchange.txn.as_ref();
        self.txn_name.push(txn.map(|txn| txn.name.as_str()));
        self.txn_id.push(txn.map(|txn| &*txn.id));
    }

    fn push_names(&mut self, exchange: &Exchange) {
        self.protocol.push(Some(exchange.protocol.as_str()));
        self.version.push(Some(exchange.version.as_str()));
        self.endpoint.push(Some(exchange.endpoint.as_str()));
        self.collection.push(Some(exchange.collection.as_str()));
        self.operation.push(Some(exchange.operation.as_str()));
        self.method.push(Some(exchange.method.as_str()));
        self.target.push(Some(&*exchange.target));
    }

    fn push_request(&mut self, exchange: &Exchange) {
        self.headers.push(exchange.headers.as_ref(), |pairs, Header { name, value }| {
            pairs.name.push(Some(&**name));
            pairs.value.push(Some(value));
        });
        self.request.push(exchange.request.as_ref());
        self.request_bytes.push(exchange.request_bytes.cast_signed());
        self.response_bytes.push(exchange.response_bytes.cast_signed());
        self.items.push(exchange.items.cast_signed());
    }

    fn push_answer(&mut self, exchange: &Exchange) {
        self.status.push(exchange.status.as_deref());
        self.ok.push(exchange.ok);
        self.first_byte_ns.push(exchange.first_byte_ns);
        self.latency_ns.push(exchange.latency_ns);
        self.answer_hash.push(exchange.answer_hash.map(u64::cast_signed));
        self.answer_ids.push(exchange.answer_ids.as_ref(), |ids, id| ids.push(Some(id)));
        self.yields.push(Some(&exchange.yields), |pairs, Yield { name, value }| {
            pairs.name.push(Some(&**name));
            pairs.value.push(Some(&**value));
        });
        self.response.push(exchange.response.as_ref());
        self.flags.push(Some(exchange.flags.iter()), |flags, flag| flags.push(Some(flag.as_str())));
    }
}

impl TraceColumns {
    /// Gives the rows, which are those of a file from `first` on, their ids, counts their times from `start`, and makes their ids their
    /// origins too, unless these are to be kept.
    pub(crate) fn place(&mut self, first: u64, start: TraceNs, keep_origin: bool) {
        self.id.0.iter_mut().zip(first.cast_signed()..).for_each(|(id, place)| *id = place);
        self.at_ns.0.iter_mut().for_each(|at_ns| *at_ns -= start.ns());
        if !keep_origin {
            self.origin.0.clone_from(&self.id.0);
        }
    }
}

/// What a row weighs at most in columns, in bytes: as if no text came twice.
pub(crate) fn row_bytes(exchange: &Exchange) -> usize {
    let headers = exchange.headers.iter().flatten().map(|header| header.name.len() + header.value.len() + ITEM_BYTES);
    let ids = exchange.answer_ids.iter().flatten().map(|id| id.len() + ITEM_BYTES);
    let yields = exchange.yields.iter().map(|pair| pair.name.len() + pair.value.len() + ITEM_BYTES);
    let bodies = [&exchange.request, &exchange.response].into_iter().flatten().map(bytes::Bytes::len);
    ROW_BYTES + exchange.target.len() + headers.chain(ids).chain(yields).chain(bodies).sum::<usize>()
}

/// Exchanges in the order in which they came, with what is needed to sort them.
#[derive(Default)]
pub(crate) struct HeldRows {
    columns: TraceColumns,
    orders: Vec<Order>,
    row_bytes: Vec<usize>,
    bytes: usize,
}

impl HeldRows {
    pub(crate) fn push(&mut self, exchange: &Exchange) {
        let bytes = row_bytes(exchange);
        self.columns.push(exchange);
        self.orders.push(exchange.order());
        self.row_bytes.push(bytes);
        self.bytes += bytes;
    }

    pub(crate) fn rows(&self) -> usize {
        self.orders.len()
    }

    /// What all rows weigh.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn order(&self, row: u32) -> Order {
        self.orders[row as usize]
    }

    pub(crate) fn row_bytes(&self, row: u32) -> usize {
        self.row_bytes[row as usize]
    }

    /// The places of all rows, in the order of a trace.
    pub(crate) fn sorted(&self) -> Vec<u32> {
        let mut rows = (0..self.orders.len() as u32).collect::<Vec<u32>>();
        self.sort(&mut rows);
        rows
    }

    /// Puts rows in the order of a trace.
    pub(crate) fn sort(&self, rows: &mut [u32]) {
        rows.sort_by_key(|row| self.order(*row));
    }

    /// Gives some rows to `columns`.
    pub(crate) fn give(&mut self, rows: &[u32], columns: &mut TraceColumns) {
        columns.append(&mut self.columns, rows);
    }

    /// Takes some rows of others over; their places here.
    pub(crate) fn take(&mut self, from: &mut Self, rows: &[u32]) -> std::ops::Range<u32> {
        let first = self.orders.len() as u32;
        from.give(rows, &mut self.columns);
        self.orders.extend(rows.iter().map(|row| from.order(*row)));
        self.row_bytes.extend(rows.iter().map(|row| from.row_bytes(*row)));
        self.bytes += rows.iter().map(|row| from.row_bytes(*row)).sum::<usize>();
        first..self.orders.len() as u32
    }

    /// Forgets all rows, and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.columns.clear();
        self.orders.clear();
        self.row_bytes.clear();
        self.bytes = 0;
    }
}
