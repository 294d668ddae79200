/** Ways out of a runner that were found open once, each tried by a function: what it says is what the way was. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { canTakeNetwork } from './launch.ts'
import { kindOf, run } from './runner.testing.ts'

const directory = mkdtempSync(join(tmpdir(), 'millrace-runner-'))
const signals: string[] = []
for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => void signals.push(signal))
const server = createServer((request, response) => void response.end(request.url))
const port = await new Promise<number>(resolve => server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)))
const local = createServer((_, response) => void response.end('reached'))
await new Promise<void>(resolve => local.listen(join(directory, 'socket'), resolve))
after(() => {
  for (const each of [server, local]) each.close().closeAllConnections()
  rmSync(directory, { recursive: true })
})

/** What the expression is, or the code of its error. */
async function attempt(expression: string, network = true): Promise<unknown> {
  const code = `const of = name => process.getBuiltinModule('node:' + name)
    export async function main_handler() { try { return await (async () => (${expression}))() } catch (error) { return error.code ?? error.cause?.code ?? error.message } }`
  return (await run(code, { network })).result
}

const path = JSON.stringify(join(directory, 'made'))
const denied = [
  `of('fs').readFileSync('/etc/passwd')`,
  `of('fs').readFileSync('/proc/' + process.ppid + '/environ')`,
  `of('fs').writeFileSync(${path}, 'x')`,
  `of('fs').symlinkSync('/etc/passwd', ${path})`,
  `of('child_process').execSync('true')`,
  `new (of('child_process').ChildProcess)()._handle.kill(12)`,
  `new (of('worker_threads').Worker)('1', { eval: true })`,
  `new (of('wasi').WASI)({ version: 'preview1', preopens: { '/': '/' } })`,
  `of('inspector').open(0)`,
  `process.dlopen({ exports: {} }, ${path})`,
  `process.kill(process.ppid, 'SIGUSR2')`,
  `process._kill(process.ppid, 12)`,
  `process._debugProcess(process.ppid)`,
  `(await import('node:process')).kill(process.ppid, 'SIGUSR2')`,
  `process.binding('fs')`,
  `of('os').setPriority(process.ppid, 19)`,
  `of('v8').setFlagsFromString('--trace-turbo-path=${directory}')`,
  `(await import('node:v8')).setFlagsFromString('--trace-opt')`,
  `of('v8').writeHeapSnapshot(${path})`,
  `process.report.writeReport(${path})`,
  `of('trace_events').createTracing({ categories: ['v8'] }).enable()`,
  `of('net').connect(${JSON.stringify(join(directory, 'socket'))})`,
  `of('net').connect('-1')`,
  `of('http').get({ socketPath: ${JSON.stringify(join(directory, 'socket'))} })`,
  `of('net').createServer().listen(${path})`,
  `of('fs').realpathSync('/etc/passwd')`,
  `(await import('node:fs')).realpathSync('/etc/passwd')`,
  `of('module').createRequire('/x.js').resolve('/etc/passwd')`,
  `of('module').createRequire('/x.js')('/nowhere')`,
  `await import('file:///etc/passwd')`,
  `await import('file:///nowhere')`,
  `of('module').findPackageJSON('file:///etc/passwd')`,
  `of('module').registerHooks({})`,
]

test('what a function cannot do', async () => {
  for (const expression of denied) assert.match(String(await attempt(expression)), /^ERR_(?:ACCESS_DENIED|DLOPEN_DISABLED)$/, expression)
  const sqlite = `new (of('sqlite').DatabaseSync)(':memory:').exec("attach '${directory}/made' as made; create table made.t(a)")`
  assert.match(String(await attempt(sqlite)), /DatabaseSync|No such built-in module/)
  // A path that is told only the second time.
  const twice = `await new Promise(resolve => { let n = 0; of('net').connect({ get path() { return n++ ? ${JSON.stringify(join(directory, 'socket'))} : undefined }, port: ${port} }).on('connect', function () { resolve(this.remotePort ?? 'reached') }).on('error', resolve) })`
  assert.notEqual(await attempt(twice), 'reached')
  // Pieces of Node put together by hand.
  const byHand = `await new Promise(resolve => {
    const Pipe = process.stdout._handle.constructor
    const hook = of('async_hooks').createHook({ init(id, type, trigger, resource) {
      if (type !== 'TCPCONNECTWRAP') return
      hook.disable()
      try { const request = new resource.constructor(); request.oncomplete = status => resolve(status === 0 ? 'reached' : status); new Pipe(0).connect(request, ${JSON.stringify(join(directory, 'socket'))}) } catch (error) { resolve(error.code) }
    } }).enable()
    of('net').connect(${port}, '127.0.0.1').on('error', () => {})
  })`
  assert.equal(await attempt(byHand), 'ERR_ACCESS_DENIED')
  assert.deepEqual(readdirSync(directory), ['socket'])
  assert.deepEqual(signals, [])
})

test('what a function can do', async () => {
  assert.equal(await attempt(`(await fetch('http://127.0.0.1:${port}/fetched')).text()`), '/fetched')
  const got = `await new Promise((resolve, reject) => of('http').get('http://127.0.0.1:${port}/got', answer => answer.on('data', data => resolve(String(data)))).on('error', reject))`
  assert.equal(await attempt(got), '/got')
  assert.equal(await attempt(`typeof (await import('node:crypto')).createHash`), 'function')
  assert.equal(await attempt(`(await import('data:text/javascript,export default 1')).default`), 1)
  assert.equal(await attempt(`of('module').createRequire('/x.js')('path').sep`), '/')
  assert.equal(await attempt(`of('zlib').gunzipSync(of('zlib').gzipSync('x')).toString()`), 'x')
})

test('the network, for a function that wants none', { skip: !(await canTakeNetwork()) && 'this machine cannot take it' }, async () => {
  assert.match(
    String(await attempt(`(await fetch('http://127.0.0.1:${port}/')).text()`, false)),
    /^E(?:NETUNREACH|CONNREFUSED|RR_ACCESS_DENIED)$/,
  )
  assert.equal(await kindOf('export const main_handler = () => { for (;;); }', { network: false, timeoutMs: 300 }), 'timeout')
  assert.equal(await kindOf('export const main_handler = () => process.exit(3)', { network: false }), 'crash')
})
