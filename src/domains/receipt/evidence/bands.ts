/** How many bits of 64 two like pictures may differ by (contract section 15). */
export const MAX_DISTANCE = 10
const BANDS = 4
const BAND_BITS = 16
/**
 * How many bits of a band may differ. A pair that differs by three in each of four bands differs by twelve; so of a
 * pair within eleven some band differs by two at most, and no pair within {@link MAX_DISTANCE} is missed.
 */
const PROBE_BITS = Math.floor(MAX_DISTANCE / BANDS)

/** All changes of a band by so many bits or fewer: 137 of them. */
const CHANGES = changesOf(PROBE_BITS)

function changesOf(bits: number): number[] {
  const single = Array.from({ length: BAND_BITS }, (_, bit) => 1 << bit)
  let last = [0]
  const all = new Set(last)
  for (let round = 0; round < bits; round += 1) {
    last = last.flatMap((change) => single.map((bit) => change ^ bit))
    for (const change of last) all.add(change)
  }
  return [...all]
}

/** A hash of 16 hexadecimal digits as a `BIGINT` column has it: signed. */
export const hashColumn = (hash: string): bigint => BigInt.asIntN(64, BigInt(`0x${hash}`))

/** The bands of a hash, as a `SMALLINT` column has each: signed. */
export function bandsOf(hash: string): number[] {
  return Array.from({ length: BANDS }, (_, band) => signed(Number.parseInt(hash.slice(band * 4, band * 4 + 4), 16)))
}

/** For each band the parts under which a hash is to be looked for. */
export function probesOf(hash: string): number[][] {
  return bandsOf(hash).map((part) => CHANGES.map((change) => signed((part ^ change) & 0xffff)))
}

const signed = (part: number) => (part << 16) >> 16
