/** A broker on one machine must not pay for the cluster. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

const hook = `data:text/javascript,${encodeURIComponent(`
import { registerHooks } from 'node:module'
registerHooks({ load(url, context, next) { console.log('load ' + url); return next(url, context) } })`)}`

/** What a program that starts a broker in memory loads, of this repository. */
function loadedBy(script: string): string[] {
  const cwd = new URL('../..', import.meta.url)
  const args = ['--import', hook, '--input-type=module', '--eval', script]
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return Array.from(stdout.matchAll(/^load file:.*?\/src\/(.*)$/gm), ([, path]) => path!)
}

test('a broker that is alone loads neither the database nor the shared log', () => {
  const loaded = loadedBy(`
    const { startBroker } = await import('./src/millrace.ts')
    await (await startBroker({ memory: true })).close()`)
  assert.ok(loaded.includes('broker/start/local-home.ts'))
  const needless =
    /^(store\b|broker\/cluster\b|broker\/start\/shared-home|log\/shared\/(?!open\.ts|settings\.ts|topic-id\.ts|upkeep\/open-collector\.ts))/
  assert.deepEqual(
    loaded.filter(path => needless.test(path)),
    [],
  )
})
