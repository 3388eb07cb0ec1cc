import sharp, { type Sharp } from 'sharp'

/** Numbers from 0 to below 1 that are the same for the same seed. */
export function numbersFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const WIDTH = 600
const TABLES = ['#7a5c3e', '#444444', '#aa3333', '#cccccc']

/**
 * A photograph of a receipt of one restaurant: always the same head and foot, between them dishes and a total of its
 * own; askew, somewhere on a table.
 * @param seed another one is another receipt
 */
export async function restaurantReceipt(seed: number): Promise<Buffer> {
  const random = numbersFrom(seed)
  const between = (low: number, high: number) => low + random() * (high - low)
  const bar = (x: number, y: number, width: number, height: number) =>
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="2"/>`
  const dishes = Math.floor(between(4, 16))
  const foot = 150 + dishes * 44
  const height = foot + 250
  const lines = Array.from({ length: dishes }, (_, dish) => {
    const y = 150 + dish * 44
    let [x, words] = [50, '']
    for (let word = 0; word < Math.floor(between(1, 4)); word += 1) {
      const width = between(40, 110)
      words += bar(x, y, width, 16)
      x += width + 12
    }
    return words + bar(between(460, 510), y, between(40, 50), 16)
  })
  const total = bar(between(330, 430), foot + 50, between(100, 130), 60)
  const paper = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}">
    <rect width="${WIDTH}" height="${height}" fill="#fdfcf7"/>
    <g fill="#2b2b2b">${bar(170, 50, 260, 40)}${bar(200, 105, 200, 14)}${lines.join('')}${bar(50, foot + 20, 500, 4)}
      ${bar(50, foot + 60, 110, 26)}${total}${bar(150, foot + 150, 300, 12)}${bar(180, foot + 180, 240, 12)}</g></svg>`
  const background = TABLES[Math.floor(random() * TABLES.length)] ?? '#444444'
  const { data, info } = await sharp(Buffer.from(paper))
    .rotate(between(-6, 6), { background })
    .png()
    .toBuffer({ resolveWithObject: true })
  const [right, below] = [Math.floor(between(20, 300)), Math.floor(between(20, 300))]
  return sharp({
    create: { width: info.width + right, height: info.height + below, channels: 3, background }
  })
    .composite([{ input: data, left: Math.floor(random() * right), top: Math.floor(random() * below) }])
    .jpeg({ quality: 85 })
    .toBuffer()
}

const jpeg = (image: Sharp, quality = 80) => image.jpeg({ quality }).toBuffer()

async function sizeOf(picture: Buffer) {
  const { width, height } = await sharp(picture).metadata()
  return { width, height }
}

async function turned(picture: Buffer, degrees: number): Promise<Buffer> {
  const { width, height } = await sizeOf(picture)
  const whole = await sharp(picture).rotate(degrees, { background: TABLES[0] }).toBuffer()
  const size = await sizeOf(whole)
  const [left, top] = [Math.floor((size.width - width) / 2), Math.floor((size.height - height) / 2)]
  return jpeg(sharp(whole).extract({ left, top, width, height }))
}

async function cropped(picture: Buffer, share: number, isOneSided: boolean): Promise<Buffer> {
  const { width, height } = await sizeOf(picture)
  const [across, down] = [Math.floor(width * share), isOneSided ? 0 : Math.floor(height * share)]
  const [left, top] = isOneSided ? [across, 0] : [across >> 1, down >> 1]
  return jpeg(sharp(picture).extract({ left, top, width: width - across, height: height - down }))
}

/** As a camera sees it that is held aslant: what is further down is smaller. */
async function aslant(picture: Buffer, slant: number): Promise<Buffer> {
  const { data, info } = await sharp(picture).raw().toBuffer({ resolveWithObject: true })
  const { width, height, channels } = info
  const seen = Buffer.alloc(data.length)
  for (let y = 0; y < height; y += 1) {
    const zoom = 1 + slant * (y / height - 0.5)
    const sourceY = Math.round((y - height / 2) * zoom + height / 2)
    if (sourceY < 0 || sourceY >= height) continue
    for (let x = 0; x < width; x += 1) {
      const sourceX = Math.round((x - width / 2) * zoom + width / 2)
      if (sourceX < 0 || sourceX >= width) continue
      const from = (sourceY * width + sourceX) * channels
      data.copy(seen, (y * width + x) * channels, from, from + channels)
    }
  }
  return jpeg(sharp(seen, { raw: { width, height, channels } }))
}

/** Ways to photograph the same receipt again, or its photograph: each by its name. */
export const REPHOTOGRAPHS: Readonly<Record<string, (picture: Buffer) => Promise<Buffer>>> = {
  'recompressed at 40': (picture) => jpeg(sharp(picture), 40),
  'scaled to half': async (picture) => jpeg(sharp(picture).resize(Math.round((await sizeOf(picture)).width / 2))),
  'turned by 1°': (picture) => turned(picture, 1),
  'turned by -2°': (picture) => turned(picture, -2),
  'turned by 3°': (picture) => turned(picture, 3),
  'cropped by 5 % all round': (picture) => cropped(picture, 0.05, false),
  'cropped by 5 % on one side': (picture) => cropped(picture, 0.05, true),
  brighter: (picture) => jpeg(sharp(picture).modulate({ brightness: 1.25 })),
  darker: (picture) => jpeg(sharp(picture).modulate({ brightness: 0.7 })),
  'less contrast': (picture) => jpeg(sharp(picture).linear(0.7, 30)),
  aslant: (picture) => aslant(picture, 0.06),
  'a little of each': async (picture) =>
    jpeg(sharp(await turned(await cropped(picture, 0.03, false), 1)).modulate({ brightness: 1.1 }), 60)
}
