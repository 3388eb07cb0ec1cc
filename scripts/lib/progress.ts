import { SingleBar } from 'cli-progress'

/**
 * A bar for a check that goes through many rows: on a terminal, on standard error. The faults go to standard output,
 * and nothing else does.
 */
export function startBar(what: string, total: number, fault: string): SingleBar {
  const bar = new SingleBar({
    format: `{bar} {percentage}% | ${what} {value} of {total} | {faults} ${fault} | {eta_formatted} to go`,
    stream: process.stderr,
    noTTYOutput: false,
    hideCursor: true
  })
  bar.start(total, 0, { faults: 0 })
  return bar
}
