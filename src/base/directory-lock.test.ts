import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { DirectoryInUse } from './file-system.ts'
import { localFileSystem } from './local-file-system.ts'

const { lock, lockForReading, copyFile } = localFileSystem()

function temporaryDirectory(t: TestContext): string {
  const directory = fs.mkdtempSync(join(tmpdir(), 'millrace-lock-'))
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Locks the directory, says so on standard output, and lives until it is killed. */
const holderProgram = `
import { localFileSystem } from ${JSON.stringify(new URL('./local-file-system.ts', import.meta.url).href)}
try {
  localFileSystem().lock(process.argv[1])
  // A lock that hangs on an object which nobody refers to ends here.
  globalThis.gc()
  console.log('held by ' + process.pid)
  setInterval(() => {}, 1000)
} catch (error) {
  console.log(error.message)
}
`

async function holder(t: TestContext, directory: string, wrap: readonly string[] = []): Promise<{ process: ChildProcess; said: string }> {
  const [command, ...rest] = [...wrap, process.execPath, '--expose-gc', '--input-type=module', '-e', holderProgram, directory]
  const child = spawn(command!, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  const said = await new Promise<string>(resolve => child.stdout!.once('data', chunk => resolve(String(chunk).trim())))
  return { process: child, said }
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = new Promise(resolve => child.once('close', resolve))
  child.kill('SIGKILL')
  await ended
}

test('a directory has one holder in a process, however its path is spelled', t => {
  const directory = temporaryDirectory(t)
  fs.symlinkSync(directory, `${directory}-link`)
  t.after(() => fs.rmSync(`${directory}-link`))
  const first = lock(directory)
  for (const path of [directory, `${directory}/.`, `${directory}-link`])
    assert.throws(() => lock(path), {
      name: 'DirectoryInUse',
      code: 'EBUSY',
      message: new RegExp(`another broker of this process .${process.pid}. since 20`),
    })
  first.release()
  const second = lock(directory)
  first.release()
  assert.throws(() => lock(directory), DirectoryInUse, 'releasing twice lets nobody in')
  second.release()
  lock(directory).release()
})

test('another process is kept out until the holder ends, its error names the holder, and a kill frees the directory immediately', async t => {
  const directory = temporaryDirectory(t)
  const { process: child, said } = await holder(t, directory)
  assert.equal(said, `held by ${child.pid}`)
  assert.throws(() => lock(directory), {
    name: 'DirectoryInUse',
    message: new RegExp(`in use by process ${child.pid} on host .+ since 20\\d\\d-`),
  })
  await kill(child)
  lock(directory).release()
})

test('another copy of this module in the process is locked out, and its attempt does not release the lock', async t => {
  const directory = temporaryDirectory(t)
  const held = lock(directory)
  // As in another thread, or where a test runner loads modules anew for each file.
  const { href } = new URL('./directory-lock.ts?copy', import.meta.url)
  const copy = (await import(href)) as typeof import('./directory-lock.ts')
  assert.throws(() => copy.lockDirectory(directory), { name: 'DirectoryInUse' })
  assert.match((await holder(t, directory)).said, /in use by process/)
  held.release()
  copy.lockDirectory(directory).release()
})

test('a lock that this user may not write is named with the reason', {
  skip: process.getuid?.() === 0 && 'root may write everything',
}, t => {
  const directory = temporaryDirectory(t)
  fs.writeFileSync(join(directory, '.lock'), '', { mode: 0o400 })
  assert.throws(() => lock(directory), { name: 'DiskError', code: 'EACCES' })
})

test('a refusal changes nothing in the directory', async t => {
  const directory = temporaryDirectory(t)
  await holder(t, directory)
  const look = () => ['.', ...fs.readdirSync(directory)].map(name => [name, fs.statSync(join(directory, name)).mtimeMs])
  const before = look()
  assert.throws(() => lock(directory), DirectoryInUse)
  assert.deepEqual(look(), before)
})

test('what a dead holder left counts for nothing, though its process id lives again', t => {
  const directory = temporaryDirectory(t)
  fs.writeFileSync(join(directory, '.lock'), String(process.ppid))
  fs.writeFileSync(join(directory, '.lock-holder'), JSON.stringify({ pid: process.ppid, host: 'here', since: 'long ago' }))
  lock(directory).release()
})

test('a copy of a directory that is in use can be locked', async t => {
  const directory = temporaryDirectory(t)
  await holder(t, directory)
  const copy = temporaryDirectory(t)
  for (const name of fs.readdirSync(directory)) fs.copyFileSync(join(directory, name), join(copy, name))
  lock(copy).release()
  assert.throws(() => lock(directory), DirectoryInUse)
})

/** Namespaces as two containers have them: each of the processes is number 1 and sees no other, nor the other's network. */
const container = ['unshare', '--user', '--map-root-user', '--pid', '--fork', '--kill-child', '--mount-proc', '--net', '--uts']
const noContainers =
  spawnSync(container[0]!, [...container.slice(1), 'true']).status !== 0 && 'this machine does not let us make namespaces'

test('two containers on one volume exclude each other', { skip: noContainers }, async t => {
  const directory = temporaryDirectory(t)
  const first = await holder(t, directory, container)
  assert.equal(first.said, 'held by 1')
  const second = await holder(t, directory, container)
  assert.match(second.said, /in use by process 1 on host/)
  await kill(first.process)
})

test('the lock excludes a program that takes POSIX locks on the whole file, as Kafka does', {
  skip: spawnSync('python3', ['-c', '']).status !== 0 && 'no Python',
}, async t => {
  const directory = temporaryDirectory(t)
  const take =
    'import fcntl, sys, time; f = open(sys.argv[1], "a"); fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB); print("held", flush=True); time.sleep(60)'
  const attempt = () => spawnSync('timeout', ['1', 'python3', '-c', take, join(directory, '.lock')], { encoding: 'utf8' })
  const held = lock(directory)
  assert.match(attempt().stderr, /BlockingIOError/)
  held.release()
  const child = spawn('python3', ['-c', take, join(directory, '.lock')])
  t.after(() => child.kill('SIGKILL'))
  await new Promise(resolve => child.stdout.once('data', resolve))
  assert.throws(() => lock(directory), { message: /in use by another process.*Apache Kafka/ })
})

test('readers exclude a holder and a holder excludes readers, in any process; the directory stays as it is', async t => {
  const directory = temporaryDirectory(t)
  assert.equal(lockForReading(directory), null)
  assert.deepEqual(fs.readdirSync(directory), [])
  const own = lock(directory)
  assert.throws(() => lockForReading(directory), DirectoryInUse)
  own.release()
  const before = fs.statSync(directory).mtimeMs
  const readers = [lockForReading(directory)!, lockForReading(directory)!]
  assert.match((await holder(t, directory)).said, /in use by/)
  for (const reader of readers) reader.release()
  assert.equal(fs.statSync(directory).mtimeMs, before)
  assert.deepEqual(fs.readdirSync(directory), ['.lock'])
  const { process: child } = await holder(t, directory)
  assert.throws(() => lockForReading(directory), { name: 'DirectoryInUse', message: new RegExp(`process ${child.pid} `) })
})

test('a copy shares no later change with its original', async t => {
  const directory = temporaryDirectory(t)
  const [from, to] = [join(directory, 'a'), join(directory, 'b')]
  fs.writeFileSync(from, 'before')
  assert.match(await copyFile(from, to), /cloned|copied/)
  fs.writeFileSync(to, 'after!')
  assert.equal(fs.readFileSync(from, 'utf8'), 'before')
  await assert.rejects(copyFile(join(directory, 'none'), to), { code: 'ENOENT' })
})

test('a holder file that cannot be written or removed prevents neither lock nor release', t => {
  const directory = temporaryDirectory(t)
  const first = lock(directory)
  fs.rmSync(join(directory, '.lock-holder'))
  fs.mkdirSync(join(directory, '.lock-holder'))
  first.release()
  const second = lock(directory)
  assert.throws(() => lock(directory), DirectoryInUse)
  second.release()
  lock(directory).release()
})
