import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { processState } from '../base.ts'
import { parentToWatch } from './stop.ts'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const bin = join(repository, 'bin/millrace.js')
let scratch: string

before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'millrace-stop-'))
})
after(() => rmSync(scratch, { recursive: true, force: true }))

interface Started {
  child: ChildProcess
  port: number
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
}

/** Resolves when the broker below the command listens. Its port is the second word of the log line that says so. */
async function launch(command: string, args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Promise<Started> {
  const flags = ['--port', '0', '--http', 'none', '--set', 'services=', '--data', mkdtempSync(join(scratch, 'data-'))]
  const child = spawn(command, [...args, ...flags], { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<Awaited<Started['ended']>>(resolve => child.once('exit', (code, signal) => resolve({ code, signal })))
  let log = ''
  const port = await new Promise<number>((resolve, reject) => {
    child.stderr!.on('data', data => {
      log += data
      const ready = /"listening":\["[^"]*:(\d+) /.exec(log)
      if (ready !== null) resolve(Number(ready[1]))
    })
    child.once('exit', () => reject(new Error(log)))
  })
  return { child, port, ended }
}

async function refusesConnections(port: number): Promise<void> {
  for (;;) {
    const open = await new Promise<boolean>(resolve => {
      const socket = net.connect(port, '127.0.0.1', () => socket.destroy())
      socket.on('error', () => resolve(false))
      socket.on('close', () => resolve(true))
    })
    if (!open) return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

/** Not a symbolic link to Node but a Node that says it is an old one. */
function oldNode(): string {
  const preload = join(scratch, 'old.cjs')
  writeFileSync(preload, "Object.defineProperty(process.versions, 'node', { value: '20.20.2' })\n")
  const script = join(scratch, 'node')
  writeFileSync(script, `#!/bin/sh\nexec '${process.execPath}' -r '${preload}' "$@"\n`)
  chmodSync(script, 0o755)
  return script
}

const limit = { timeout: 60_000 }

test('signals reach the broker under another Node, and its exit code is returned', limit, async () => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    const { child, port, ended } = await launch(oldNode(), [bin, 'start'])
    child.kill(signal)
    assert.deepEqual(await ended, { code: 0, signal: null })
    await refusesConnections(port)
  }
  assert.equal(spawnSync(oldNode(), [bin, 'start', '--port', 'no']).status, 2)
})

test('who kills or pauses the command kills or pauses the broker', limit, async () => {
  const old = oldNode()
  const env = { ...process.env, PATH: [scratch, process.env.PATH].join(delimiter) }
  for (const [command, args] of [
    [bin, ['start']],
    [old, [bin, 'start']],
  ] as const) {
    const { child, port, ended } = await launch(command, [...args], { env })
    const pid = child.pid!
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ')
    const broker = command === bin ? pid : Number(children[0])
    const becomes = async (isPaused: boolean) => {
      while ((processState(broker) === 'T') !== isPaused) await new Promise(resolve => setTimeout(resolve, 20))
    }
    child.kill('SIGSTOP')
    await becomes(true)
    child.kill('SIGCONT')
    await becomes(false)
    child.kill('SIGKILL')
    assert.equal((await ended).signal, 'SIGKILL')
    await refusesConnections(port)
  }
})

/** The first start in a checkout compiles everything, beside other tests. */
const compiles = { timeout: 180_000 }

test('npm start passes SIGTERM on, and ends with the exit code of the broker', compiles, async () => {
  const { child, port, ended } = await launch('npm', ['start', '--'], { cwd: repository })
  child.kill('SIGTERM')
  assert.deepEqual(await ended, { code: 0, signal: null })
  await refusesConnections(port)
})

test('a broker that npm ran through a shell ends with that shell', limit, async () => {
  const installed = join(scratch, 'bin')
  spawnSync('mkdir', ['-p', installed])
  symlinkSync(bin, join(installed, 'millrace'))
  writeFileSync(join(scratch, 'package.json'), JSON.stringify({ name: 'app', version: '1.0.0', scripts: { broker: 'millrace start' } }))
  const env = { ...process.env, PATH: [installed, process.env.PATH].join(delimiter) }
  const { child, port, ended } = await launch('npm', ['run', 'broker', '--'], { cwd: scratch, env })
  child.kill('SIGTERM')
  await ended
  await refusesConnections(port)
})

test("only npm's shell is watched, and only when it waits for the command", () => {
  assert.equal(parentToWatch({}, 7), null)
  assert.equal(parentToWatch({ npm_lifecycle_script: 'node server.js' }, 7), null)
  assert.equal(parentToWatch({ npm_lifecycle_script: "'millrace'" }, 7), 7)
  assert.equal(parentToWatch({ npm_lifecycle_script: 'millrace start --port 1 > log 2>&1 && echo done' }, 7), 7)
  assert.equal(parentToWatch({ npm_lifecycle_script: 'millrace start & sleep 1; npm test' }, 7), null)
  assert.equal(parentToWatch({ npm_lifecycle_script: 'millrace start &' }, 7), null)
  assert.equal(parentToWatch({ npm_lifecycle_script: 'millrace start', MILLRACE_PARENT: '5' }, 7), 5)
  assert.equal(parentToWatch({ npm_lifecycle_script: 'millrace start' }, 1), null)
})
