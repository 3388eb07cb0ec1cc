import { readFileSync } from 'node:fs'
import type * as mariadb from 'mariadb'
import { openConnection } from '../../../src/engine/connection.js'

/** Ticks of /proc/…/stat in a second: USER_HZ is 100 on every Linux that Node runs on. */
const TICKS = 100

/** Processor time that a process has used, in milliseconds; NaN where there is no /proc, or no such process here. */
export function processCpuMs(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in brackets, may have spaces; user and system time are the 14th and 15th field of all.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS
  } catch {
    return Number.NaN
  }
}

/** Resident memory of a process, in megabytes. */
export function residentMb(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1]) / 1024
}

/** What has been used up to a moment, or between two. */
export interface Reading {
  readonly nodeMs: number
  readonly databaseMs: number
  readonly statements: number
  readonly commits: number
  readonly fsyncs: number
}

/** MySQL's name is the first; MariaDB, from 10.9 on, counts the syncs of its log only among all. */
const FSYNCS = ['Innodb_os_log_fsyncs', 'Innodb_data_fsyncs'] as const
const COUNTERS = ['Com_commit', 'Questions', ...FSYNCS] as const

/** Reads processor time and the server's counters; what it asks itself is taken off. */
export class Meter {
  private constructor(
    private readonly connection: mariadb.Connection,
    private readonly databasePid: number
  ) {}

  #asked = 0

  static async open(url: string): Promise<Meter> {
    const connection = await openConnection(url)
    // When a benchmark fails, its server is stopped: that must not hide why.
    connection.on('error', () => {})
    const [row] = await connection.query<{ file: string }[]>('SELECT @@pid_file AS file')
    let pid = Number.NaN
    try {
      pid = Number(readFileSync(row?.file ?? '', 'utf8'))
    } catch {
      // A server elsewhere: its processor time is not ours to read.
    }
    return new Meter(connection, pid)
  }

  /** @param nodeCpuMs of another process that does the work */
  async read(nodeCpuMs = ownCpuMs): Promise<Reading> {
    this.#asked += 1
    const names = COUNTERS.map((name) => `'${name}'`).join(', ')
    const rows = await this.connection.query<{ Variable_name: string; Value: string }[]>(
      `SHOW GLOBAL STATUS WHERE Variable_name IN (${names})`
    )
    const value = (name: (typeof COUNTERS)[number]) => Number(rows.find((row) => row.Variable_name === name)?.Value)
    const fsyncs = FSYNCS.map(value).find((count) => !Number.isNaN(count))
    return {
      nodeMs: nodeCpuMs(),
      databaseMs: processCpuMs(this.databasePid),
      statements: value('Questions') - this.#asked,
      commits: value('Com_commit'),
      fsyncs: fsyncs ?? Number.NaN
    }
  }

  close(): Promise<void> {
    return this.connection.end()
  }
}

function ownCpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

export function difference(after: Reading, before: Reading): Reading {
  return {
    nodeMs: after.nodeMs - before.nodeMs,
    databaseMs: after.databaseMs - before.databaseMs,
    statements: after.statements - before.statements,
    commits: after.commits - before.commits,
    fsyncs: after.fsyncs - before.fsyncs
  }
}
