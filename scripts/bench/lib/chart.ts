export interface BarChart {
  readonly title: string
  /** What each bar of a group stands for. */
  readonly series: readonly string[]
  readonly groups: readonly { readonly name: string; readonly values: readonly number[] }[]
}

const COLORS = ['#d6453d', '#4a7fb5', '#7fb069', '#b9a44c', '#8f6bb3']
const [BAR, GAP, LEFT, WIDE, TOP] = [18, 16, 110, 560, 66]

/** A chart of lying bars as SVG, readable on light and dark pages. Each group has a scale of its own. */
export function barChart({ title, series, groups }: BarChart): string {
  const groupHeight = series.length * BAR + GAP
  const height = TOP + groups.length * groupHeight
  const legend = series.map(
    (name, index) =>
      `<rect x="${LEFT + index * 140}" y="36" width="12" height="12" fill="${COLORS[index % COLORS.length]}"/>` +
      `<text x="${LEFT + index * 140 + 18}" y="46">${escaped(name)}</text>`
  )
  const bars = groups.flatMap(({ name, values }, group) => {
    const top = TOP + group * groupHeight
    const largest = Math.max(...values)
    return [
      `<text x="${LEFT - 10}" y="${top + (series.length * BAR) / 2 + 4}" text-anchor="end">${escaped(name)}</text>`,
      ...values.map((value, index) => {
        const width = Math.max(1, (value / largest) * (WIDE - 70))
        const y = top + index * BAR
        return (
          `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR - 4}" ` +
          `fill="${COLORS[index % COLORS.length]}"/>` +
          `<text x="${(LEFT + width + 6).toFixed(1)}" y="${y + 11}">${Math.round(value).toLocaleString('en')}</text>`
        )
      })
    ]
  })
  const [size, box] = [`width="${LEFT + WIDE}" height="${height}"`, `viewBox="0 0 ${LEFT + WIDE} ${height}"`]
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${box} font-family="sans-serif" font-size="12">
<title>${escaped(title)}</title>
<style>text{fill:#24292f}@media(prefers-color-scheme:dark){text{fill:#d0d7de}}</style>
<text x="10" y="22" font-size="15" font-weight="bold">${escaped(title)}</text>
${[...legend, ...bars].join('\n')}
</svg>
`
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
