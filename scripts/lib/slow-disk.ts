import { spawn } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { findProgram, provide } from './apt.js'
import { Fault } from './print.js'

const CHOICES = `A slow disk wants strace, and it could not be installed here. Install it yourself:
  apt-get install strace`
/** By which a database server brings its log and its pages to the disk. */
const DISK_CALLS = 'fsync,fdatasync,pwrite64,pwritev,pwritev2'
const TAKES_HOLD_WITHIN_MS = 30_000

/**
 * Makes every write of a process to a disk, and every wait for one, take so much longer: the calls are held up at the
 * kernel's door by strace, so it needs no other disk, and all other calls go on as before, though not quite as fast.
 * @returns what ends it
 * @throws Fault when strace is missing, or may not look at the process
 */
export async function slowDisk(pid: number, milliseconds: number): Promise<() => Promise<void>> {
  const strace = provide(() => findProgram('strace'), { what: 'strace', packages: ['strace'], choices: CHOICES })
  const args = [
    ...['-qq', '--seccomp-bpf', '-f', '-o', '/dev/null', '-p', String(pid)],
    ...['-e', `trace=${DISK_CALLS}`, '-e', `inject=${DISK_CALLS}:delay_enter=${milliseconds}ms`]
  ]
  const child = spawn(strace, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let told = ''
  child.stderr.on('data', (data) => {
    told += String(data)
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const deadline = Date.now() + TAKES_HOLD_WITHIN_MS
  while (!(await isHeld(pid))) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Fault(`strace cannot slow process ${pid}: ${told}`)
    await pause(20)
  }
  return async () => {
    child.kill('SIGTERM')
    await ended
  }
}

/** Whether every thread of a process is traced. */
async function isHeld(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`)
  const states = await Promise.all(
    threads.map((id) => readFile(`/proc/${pid}/task/${id}/status`, 'utf8').catch(() => ''))
  )
  return states.every((state) => !/^TracerPid:\s+0$/m.test(state))
}
