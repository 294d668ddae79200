/** A Kafka without logins. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Cases, unique, until } from '../support/kit.ts'
import { startServices, type Using, usingServices } from '../support/services.ts'
import { ask, clusterAt, millrace, ok } from './ask.ts'
import { everyCommand } from './commands.ts'
import { browserWalk } from './walk.ts'

const schema = (name: string) => ({ schema: JSON.stringify({ type: 'record', name, fields: [{ name: 'n', type: 'long' }] }) })

export function plainCases(bootstrap: string): Cases {
  const using = usingServices(bootstrap)
  return {
    ...registryCases(bootstrap, using),
    ...restV3Cases(using),
    ...restRecordsCases(using),
    ...consoleCases(using),
    ...browserWalk(using),
    ...commandCases(bootstrap, using),
    ...everyCommand(bootstrap),
  }
}

function registryCases(bootstrap: string, using: Using): Cases {
  return {
    async 'registry/what-is-registered-stays'() {
      const subject = unique('stays')
      let id = 0
      await using(['registry', 'rest'], async ({ urls }) => {
        id = (await ok('POST', `${urls.registry}/subjects/${subject}/versions`, schema('R'))).id
        const refused = await ask('POST', `${urls.registry}/subjects/${subject}/versions`, { schema: '"string"' })
        assert.deepEqual([refused.status, refused.body.error_code], [409, 409])
        const policy = await ok('GET', `${await clusterAt(urls.rest)}/topics/_schemas/configs/cleanup.policy`)
        assert.equal(policy.value, 'compact')
      })
      await using(['registry'], async ({ urls }) => {
        assert.equal((await ok('GET', `${urls.registry}/subjects/${subject}/versions/latest`)).id, id)
        assert.deepEqual(await ok('DELETE', `${urls.registry}/subjects/${subject}`), [1])
        assert.deepEqual(await ok('DELETE', `${urls.registry}/subjects/${subject}?permanent=true`), [1])
      })
    },
    async 'registry/two-at-once'() {
      const first = await startServices(bootstrap, ['registry'])
      try {
        await using(['registry'], async second => {
          const subjects = Array.from({ length: 20 }, () => unique('two'))
          const answers = await Promise.all(
            subjects.map((subject, index) => {
              const { registry } = (index % 2 === 0 ? first : second).urls
              return ok('POST', `${registry}/subjects/${subject}/versions`, schema(`R${index}${subject.replace(/\W/g, '')}`))
            }),
          )
          assert.equal(new Set(answers.map(each => each.id)).size, 20)
          await first.close()
          // Whoever is left leads, and knows everything.
          assert.equal(
            (await ok('POST', `${second.urls.registry}/subjects/${subjects[0]}/versions`, schema(`R0${subjects[0]!.replace(/\W/g, '')}`)))
              .id,
            answers[0].id,
          )
          await ok('POST', `${second.urls.registry}/subjects/${unique('two')}/versions`, schema('Last'))
        })
      } finally {
        await first.close()
      }
    },
  }
}

function restV3Cases(using: Using): Cases {
  return {
    'rest/v3': () =>
      using(['rest'], async ({ urls }) => {
        const cluster = await clusterAt(urls.rest)
        const topic = unique('rest')
        const made = await ok('POST', `${cluster}/topics`, {
          topic_name: topic,
          partitions_count: 2,
          configs: [{ name: 'retention.ms', value: '3600000' }],
        })
        assert.equal(made.partitions_count, 2)
        const sent = await ok(
          'POST',
          `${cluster}/topics/${topic}/records`,
          '{"partition_id":1,"value":{"type":"JSON","data":{"id":9223372036854775807}}}',
        )
        assert.deepEqual([sent.error_code, sent.offset], [200, 0])
        const text = await (await fetch(`${cluster}/topics/${topic}/records?value_format=JSON`)).text()
        assert.match(text, /"id":9223372036854775807/)
        const ends = await ok('GET', `${cluster}/topics/${topic}/partitions/1/offset`)
        assert.deepEqual([ends.earliest_offset, ends.latest_offset], [0, 1])
        assert.equal((await ok('GET', `${cluster}/topics/${topic}/configs/retention.ms`)).value, '3600000')
        await ok('PATCH', `${cluster}/topics/${topic}`, { partitions_count: 3 })
        for (const [path, body, status, code] of [
          ['topics', { topic_name: topic }, 400, 40_002],
          ['topics', { topic_name: 'a b' }, 422, 42_206],
          ['topics', { topic_name: unique('bad'), configs: [{ name: 'no.such', value: '1' }] }, 400, 40_002],
        ] as const) {
          const refused = await ask('POST', `${cluster}/${path}`, body)
          assert.deepEqual([refused.status, refused.body.error_code], [status, code], JSON.stringify(refused.body))
        }
        const acls = await ask('GET', `${cluster}/acls`)
        assert.deepEqual([acls.status, acls.body.error_code], [400, 40_002])
        const missing = await ask('GET', `${cluster}/topics/${unique('none')}`)
        assert.deepEqual([missing.status, missing.body.error_code], [404, 40_403])
        assert.equal((await ask('DELETE', `${cluster}/topics/${topic}`)).status, 204)
      }),
  }
}

function restRecordsCases(using: Using): Cases {
  return {
    'rest/v2': () =>
      using(['registry', 'rest'], async ({ urls }) => {
        const topic = unique('v2')
        const group = unique('group')
        const cluster = await clusterAt(urls.rest)
        await ok('POST', `${cluster}/topics`, { topic_name: topic, partitions_count: 1 })
        const avro = { 'content-type': 'application/vnd.kafka.avro.v2+json' }
        const sent = await ok(
          'POST',
          `${urls.rest}/topics/${topic}`,
          { value_schema: schema('R').schema, records: [{ value: { n: 1 } }, { value: { n: 2 } }] },
          avro,
        )
        assert.deepEqual(
          sent.offsets.map((each: { offset: number }) => each.offset),
          [0, 1],
        )
        const { base_uri: uri } = await ok('POST', `${urls.rest}/consumers/${group}`, {
          name: 'c',
          format: 'avro',
          'auto.offset.reset': 'earliest',
        })
        await ok('POST', `${uri}/subscription`, { topics: [topic] })
        const values: number[] = []
        await until(
          () => 'two records',
          async () => {
            const read = await ok('GET', `${uri}/records`, undefined, { accept: 'application/vnd.kafka.avro.v2+json' })
            values.push(...read.map((each: { value: { n: number } }) => each.value.n))
            return values.length === 2
          },
        )
        assert.deepEqual(values, [1, 2])
        await ok('POST', `${uri}/offsets`)
        const lags = await ok('GET', `${cluster}/consumer-groups/${group}/lags`)
        assert.deepEqual([lags.data[0].current_offset, lags.data[0].lag], [2, 0])
        assert.equal((await ok('GET', `${cluster}/consumer-groups/${group}`)).state, 'STABLE')
        assert.equal((await ask('DELETE', uri)).status, 204)
      }),
    'rest/events': () =>
      using(['rest'], async ({ urls }) => {
        const topics = `${await clusterAt(urls.rest)}/topics`
        const topic = unique('events')
        await ok('POST', topics, { topic_name: topic, partitions_count: 1 })
        const stop = new AbortController()
        const response = await fetch(`${topics}/${topic}/records?value_format=JSON&group=${unique('group')}&from=earliest`, {
          headers: { accept: 'text/event-stream' },
          signal: stop.signal,
        })
        assert.equal(response.status, 200)
        await ok('POST', `${topics}/${topic}/records`, '{"value":{"type":"JSON","data":7}}')
        let text = ''
        for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
          text += piece
          if (text.includes('event: record')) break
        }
        stop.abort()
        assert.match(text, /"data":7/)
      }),
  }
}

function consoleCases(using: Using): Cases {
  return {
    'console/topics-and-messages': () =>
      using(['console'], async ({ urls }) => {
        const api = `${urls.console}/api`
        const topic = unique('console')
        await ok('POST', `${api}/topics`, { name: topic, partitions: 3 })
        const { partition, offset } = await ok('POST', `${api}/topics/${topic}/messages`, {
          key: { text: 'k' },
          value: { text: '{"id":9007199254740993}' },
        })
        assert.equal(offset, '0')
        const events = await (await fetch(`${api}/topics/${topic}/messages?from=newest&limit=10`)).text()
        assert.match(events, /9007199254740993/)
        const one = await ok('GET', `${api}/topics/${topic}`)
        assert.deepEqual([one.records, one.partitions[partition].end], ['1', '1'])
        await ok('PATCH', `${api}/config/topics/${topic}`, { changes: { 'retention.ms': '60000' } })
        const { entries } = await ok('GET', `${api}/config/topics/${topic}`)
        assert.equal(entries.find((each: { name: string }) => each.name === 'retention.ms').value, '60000')
        const found = await ok('GET', `${api}/topics?search=${topic}`)
        assert.equal(found.total, 1)
        await ok('DELETE', `${api}/topics/${topic}?confirm=${topic}`)
      }),
    'console/groups-and-overview': () =>
      using(['console', 'rest'], async ({ urls }) => {
        const api = `${urls.console}/api`
        const [topic, group] = [unique('read'), unique('readers')]
        await ok('POST', `${api}/topics`, { name: topic, partitions: 1 })
        for (let n = 0; n < 3; n++)
          await ok('POST', `${api}/topics/${topic}/messages`, { key: null, value: { text: String(n) }, partition: 0 })
        const { base_uri: uri } = await ok('POST', `${urls.rest}/consumers/${group}`, {
          name: 'c',
          format: 'json',
          'auto.offset.reset': 'earliest',
        })
        await ok('POST', `${uri}/assignments`, { partitions: [{ topic, partition: 0 }] })
        await ok('POST', `${uri}/offsets`, { offsets: [{ topic, partition: 0, offset: 1 }] })
        await ok('DELETE', uri)
        const preview = await ok('POST', `${api}/groups/${group}/offsets`, { topic, to: { kind: 'earliest' }, dryRun: true })
        assert.deepEqual(preview.changes, [{ partition: 0, before: '2', after: '0', end: '3' }])
        await ok('POST', `${api}/groups/${group}/offsets`, { topic, to: { kind: 'earliest' }, dryRun: false })
        assert.equal((await ok('GET', `${api}/groups/${group}`)).lag, '3')
        const overview = await ok('GET', `${api}/overview`)
        assert.ok(overview.ownTopics > 0 && overview.partitions > 0 && overview.offline === 0)
        assert.ok((await ok('GET', `${api}/session`)).brokers.length > 0)
        await ok('DELETE', `${api}/groups/${group}?confirm=${group}`)
      }),
  }
}

function commandCases(bootstrap: string, using: Using): Cases {
  const at = ['-b', bootstrap]
  return {
    'cli/avro': () =>
      using(['registry'], async ({ urls }) => {
        const directory = mkdtempSync(join(tmpdir(), 'millrace-compat-schema-'))
        try {
          const file = join(directory, 'r.avsc')
          writeFileSync(file, schema('R').schema)
          const topic = unique('avro')
          const registry = ['--registry', urls.registry]
          const id = (await millrace(['schema', 'register', `${topic}-value`, file, ...registry])).trim()
          assert.match(id, /^\d+$/)
          await millrace(['topic', 'create', topic, ...at])
          await millrace(['produce', topic, ...at, '-s', 'value=avro', ...registry], { stdin: '{"n":1}\n{"n":9223372036854775807}\n' })
          const read = await millrace([
            'consume',
            topic,
            ...at,
            '-f',
            'beginning',
            '-s',
            'value=avro',
            '--filter',
            'value.n > 1',
            ...registry,
          ])
          assert.equal(read.trim(), '{"n":9223372036854775807}')
          assert.match(await millrace(['schema', 'list', topic, ...registry]), new RegExp(`${topic}-value +1 +${id} +AVRO`))
        } finally {
          rmSync(directory, { recursive: true, force: true })
        }
      }),
    async 'cli/topics-and-groups'() {
      const [topic, group] = [unique('cli'), unique('group')]
      await millrace(['topic', 'create', topic, '-p', '2', ...at])
      await millrace(['produce', topic, ...at, '-K', ':'], { stdin: 'a:1\nb:2\nc:3\n' })
      const read = await millrace(['consume', topic, ...at, '-f', 'beginning', '-g', group, '-n', '3', '--timeout', '30000'])
      assert.deepEqual(read.trim().split('\n').sort(), ['1', '2', '3'])
      assert.match(await millrace(['group', 'list', ...at]), new RegExp(group))
      await millrace(['topic', 'empty', topic, ...at])
      assert.equal(await millrace(['consume', topic, ...at, '-f', 'beginning']), '')
      await millrace(['topic', 'delete', topic, ...at])
    },
  }
}
