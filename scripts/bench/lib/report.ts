import { mkdir, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import path from 'node:path'
import { SingleBar } from 'cli-progress'
import pc from 'picocolors'

const RESULTS = path.join('scripts', 'bench', 'results')

/** A bar on standard error for so many steps. */
export function startSteps(what: string, total: number): { step(): void; stop(): void } {
  const bar = new SingleBar({
    format: `${what.padEnd(8)} {bar} {percentage}% | {value} of {total} | {eta_formatted} to go`,
    stream: process.stderr,
    noTTYOutput: false,
    hideCursor: true
  })
  bar.start(total, 0)
  return { step: () => bar.increment(), stop: () => bar.stop() }
}

/** Prints a table whose first column is text and whose others are figures. */
export function printTable(title: string, head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((name, column) => Math.max(...[name, ...rows.map((row) => row[column] ?? '')].map(width)))
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => pad(cell, widths[column] ?? 0, column === 0)).join('  ')
  process.stdout.write(`\n${pc.bold(title)}\n${pc.dim(line(head))}\n${rows.map((row) => `${line(row)}\n`).join('')}`)
}

const width = (text: string) => text.length
const pad = (text: string, to: number, left: boolean) => (left ? text.padEnd(to) : text.padStart(to))

/** A figure with three digits that mean something. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (value === 0) return '0'
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toFixed(Math.min(digits, 4))
}

/** A promise about a figure, and whether it was kept. */
export interface Bar {
  readonly name: string
  readonly value: number
  readonly bound: number
  readonly kind: 'at least' | 'at most'
}

export function isMet({ value, bound, kind }: Bar): boolean {
  return kind === 'at least' ? value >= bound : value <= bound
}

export function printBars(bars: readonly Bar[]): void {
  process.stdout.write('\n')
  for (const bar of bars) {
    const mark = isMet(bar) ? pc.green('met   ') : pc.red('missed')
    process.stdout.write(`${mark} ${bar.name}: ${figure(bar.value)}, ${bar.kind} ${figure(bar.bound)}\n`)
  }
}

/** Writes what a benchmark found, with the machine it found it on, to `scripts/bench/results/NAME.json`. */
export async function writeResults(name: string, results: object): Promise<void> {
  const machine = { cpu: cpus()[0]?.model ?? '', cores: cpus().length, node: process.version }
  await write(`${name}.json`, `${JSON.stringify({ at: new Date().toISOString(), machine, ...results }, null, 2)}\n`)
}

export async function writeChart(name: string, svg: string): Promise<void> {
  await write(`${name}.svg`, svg)
}

async function write(file: string, text: string): Promise<void> {
  await mkdir(RESULTS, { recursive: true })
  await writeFile(path.join(RESULTS, file), text)
}
