import sharp from 'sharp'

const WIDTH = 600
const SEGMENTS = ['abcdef', 'bc', 'abged', 'abgcd', 'fgbc', 'afgcd', 'afgedc', 'abc', 'abcdefg', 'abcdfg']
/** Where each segment of a digit of 40×70 lies: x, y, width, height. */
const PLACES: Record<string, readonly [number, number, number, number]> = {
  a: [6, 0, 28, 7],
  b: [33, 5, 7, 28],
  c: [33, 37, 7, 28],
  d: [6, 63, 28, 7],
  e: [0, 37, 7, 28],
  f: [0, 5, 7, 28],
  g: [6, 31, 28, 7]
}

const rect = (x: number, y: number, width: number, height: number) =>
  `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="2"/>`

/** Digits as a till prints them, made of bars: a machine without fonts can draw them too. */
function digits(text: string, right: number, top: number): string {
  let x = right
  return [...text]
    .reverse()
    .map((char) => {
      x -= char === '.' ? 18 : 52
      if (char === '.') return rect(x, top + 62, 8, 8)
      const places = [...(SEGMENTS[Number(char)] ?? '')].map((segment) => PLACES[segment] ?? [0, 0, 0, 0])
      return places.map(([dx, dy, width, height]) => rect(x + dx, top + dy, width, height)).join('')
    })
    .join('')
}

/** A photograph of a receipt, a little askew on a table, with lines of print and the total below. */
export async function receiptPicture(total: string): Promise<Buffer> {
  const lines = Array.from({ length: 9 }, (_, index) => {
    const y = 150 + index * 44
    return rect(50, y, 180 + ((index * 67) % 150), 14) + rect(WIDTH - 130, y, 50 + ((index * 31) % 40), 14)
  })
  const paper = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="760">
    <rect width="${WIDTH}" height="760" fill="#fdfcf7"/>
    <g fill="#2b2b2b">${rect(170, 50, 260, 40)}${lines.join('')}${rect(50, 570, WIDTH - 100, 4)}
      ${rect(50, 640, 110, 26)}${digits(total, WIDTH - 50, 620)}</g></svg>`
  const askew = await sharp(Buffer.from(paper)).rotate(-4, { background: '#7a5c3e' }).png().toBuffer()
  return sharp({ create: { width: 1000, height: 1200, channels: 3, background: '#7a5c3e' } })
    .composite([{ input: askew, gravity: 'centre' }])
    .jpeg({ quality: 85 })
    .toBuffer()
}
