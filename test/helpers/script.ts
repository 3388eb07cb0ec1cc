import { type ChildProcess, spawn } from 'node:child_process'
import { until } from './app.js'

export interface ScriptRun {
  readonly child: ChildProcess
  stdout: string
  stderr: string
  code: number | null
}

/** Starts `node scripts/run.mjs TASK`, as `npm run` does, in an environment without our own settings. */
export function startScript(task: string, env: Record<string, string>, args: string[] = []): ScriptRun {
  return startNode(['scripts/run.mjs', task, ...args], env)
}

/** Starts `node …` likewise. */
export function startNode(args: string[], env: Record<string, string>): ScriptRun {
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, args, {
    env: { PATH, HOME, LOG_LEVEL: 'warn', ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const run: ScriptRun = { child, stdout: '', stderr: '', code: null }
  child.stdout?.on('data', (chunk) => {
    run.stdout += chunk
  })
  child.stderr?.on('data', (chunk) => {
    run.stderr += chunk
  })
  child.once('close', (code, signal) => {
    run.code = code ?? (signal === null ? 1 : 128)
  })
  return run
}

/** Runs a script to its end. */
export async function runScript(task: string, env: Record<string, string>, args: string[] = []): Promise<ScriptRun> {
  const run = startScript(task, env, args)
  await until(() => run.code !== null, 100_000)
  return run
}
