/** How a connector and its tasks are now, what has failed and when, how far a sink has read, and its dead letters. */
import { useMutation } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { call, type Output } from '../../api.ts'
import { count, counted, duration, time, utc } from '../../format.ts'
import { useRefresh } from '../../refresh.ts'
import { useRights } from '../../rights.ts'
import { Button } from '../../ui/button.tsx'
import { Content } from '../../ui/page.tsx'
import { Loading, Refused } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import { LagPlot } from '../group-lag.tsx'
import { useConnector } from './connector.tsx'
import css from './connectors.module.css'
import { nextTry, State } from './state.tsx'

type Found = Output<'GET /connectors/:connector'>

const here = getRouteApi('/connectors/$connector/status')

export function ConnectorStatus() {
  const { connector } = here.useParams()
  const { data } = useConnector(connector)
  if (data === undefined) return <Loading />
  const broken = [{ ...data, name: 'The connector' }, ...data.tasks.map(each => ({ ...each, name: `Task ${each.task}` }))].filter(
    each => each.trace !== null,
  )
  return (
    <Content>
      {broken.map(({ name, trace, failures }) => (
        <Trace key={name} name={name} trace={trace!} reason={failures[0]?.reason ?? null} />
      ))}
      <Tasks found={data} />
      {data.group !== null && data.state !== 'STOPPED' && <Lag group={data.group} />}
      <DeadLetters found={data} />
      <Failures found={data} />
      <Topics topics={data.topics} />
    </Content>
  )
}

function Trace({ name, trace, reason }: { name: string; trace: string; reason: string | null }) {
  return (
    <section className={css['trace']} aria-label={`Why ${name.toLowerCase()} has failed`}>
      <p>
        <strong>{name} has failed:</strong> {reason ?? trace.split('\n', 1)[0]}
      </p>
      <details>
        <summary>All of it</summary>
        <pre>{trace}</pre>
      </details>
    </section>
  )
}

function Tasks({ found: { name, tasks, state } }: { found: Found }) {
  const may = useRights({})
  const refresh = useRefresh('/connectors')
  const restarting = useMutation({
    async mutationFn(task: number) {
      await call('POST /connectors/:connector/tasks/:task/restart', { params: { connector: name, task }, body: {} })
      await refresh()
    },
  })
  if (tasks.length === 0)
    return <p className={css['note']}>{state === 'STOPPED' ? 'It is stopped: it has no tasks.' : 'It has no tasks yet.'}</p>
  const change = may('cluster', 'ALTER')
  return (
    <div>
      {restarting.error !== null && <Refused error={restarting.error} />}
      <Table
        label="Tasks"
        heads={['Task', 'State', 'Worker', 'Failures', 'Last failure', ...(change ? ['Restart'] : [])]}
        right={[0, 3]}
        rows={tasks.map(({ task, state: own, worker, failures, nextTryMs }) => [
          task,
          <State key="state" state={own} nextTryMs={nextTryMs} />,
          worker,
          count(failures.length),
          failures[0] === undefined ? 'none' : <Moment key="at" at={failures[0].at} />,
          ...(change
            ? [
                <Button key="restart" small disabled={restarting.isPending} onClick={() => restarting.mutate(task)}>
                  Restart
                </Button>,
              ]
            : []),
        ])}
      />
    </div>
  )
}

function Moment({ at }: { at: string }) {
  return <span title={utc(at)}>{time(at)}</span>
}

function Lag({ group }: { group: string }) {
  return (
    <section aria-label="Lag" className={css['lag']}>
      <LagPlot group={group} />
      <p className={css['note']}>
        It reads in the group{' '}
        <Link to="/groups/$group/lag" params={{ group }}>
          {group}
        </Link>
        .
      </p>
    </section>
  )
}

function DeadLetters({ found: { kind, deadLetters, name } }: { found: Found }) {
  if (kind !== 'sink') return null
  if (deadLetters === null)
    return (
      <p className={css['note']}>
        It has no dead-letter topic (errors.deadletterqueue.topic.name): a record that cannot be processed makes its task fail, or is
        skipped, as errors.tolerance says.
      </p>
    )
  const { topic, records, headers } = deadLetters
  const search = headers ? { header: '__connect.errors.connector.name', headerHas: name } : {}
  return (
    <section aria-label="Dead letters">
      <h2 className={css['heading']}>Dead letters</h2>
      <p>
        Records that cannot be processed go to{' '}
        {records === null ? (
          topic
        ) : (
          <Link to="/topics/$topic/messages" params={{ topic }} search={search}>
            {topic}
          </Link>
        )}
        {records === null
          ? ', which is not there yet, or cannot be seen.'
          : `, which has ${counted(records, 'record')}. They are read there, and sent back with Redrive.`}
        {!headers &&
          ' Why they are there is not known without errors.deadletterqueue.context.headers.enable=true, nor where they came from.'}
      </p>
    </section>
  )
}

function Failures({ found: { failures, tasks } }: { found: Found }) {
  const all = [
    ...failures.map(each => ({ ...each, what: 'connector' })),
    ...tasks.flatMap(each => each.failures.map(one => ({ ...one, what: `task\u00a0${each.task}` }))),
  ].sort((a, b) => Number(b.at) - Number(a.at))
  if (all.length === 0) return null
  return (
    <div>
      <h2 className={css['heading']}>What has failed, and what became of it</h2>
      <Table
        label="Failures"
        heads={['Time', 'What', 'Why', 'Then']}
        rows={all.map(({ at, what, reason, retryMs }) => [
          <Moment key="at" at={at} />,
          what,
          <span key="why" className={css['why']}>
            {reason}
          </span>,
          <span key="then" className={css['brief']}>
            {thenOf(Number(at), retryMs)}
          </span>,
        ])}
      />
    </div>
  )
}

function thenOf(atMs: number, retryMs: number | null): string {
  if (retryMs === null) return 'left as it is'
  return atMs + retryMs > Date.now() ? nextTry(atMs + retryMs) : `tried again after ${duration(retryMs)}`
}

function Topics({ topics }: { topics: readonly string[] }) {
  if (topics.length === 0) return null
  return (
    <section aria-label="Topics that it has used">
      <h2 className={css['heading']}>Topics that it has used</h2>
      <ul className={css['topics']}>
        {topics.map(topic => (
          <li key={topic}>
            <Link to="/topics/$topic" params={{ topic }}>
              {topic}
            </Link>
          </li>
        ))}
      </ul>
    </section>
  )
}
