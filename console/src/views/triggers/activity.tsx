/** What a trigger has done in the last hour, and what went wrong last. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { lazy, Suspense } from 'react'
import { asked } from '../../api.ts'
import { count, duration, short, time, utc } from '../../format.ts'
import { Content } from '../../ui/page.tsx'
import { Failed, Loading } from '../../ui/states.tsx'
import overview from '../overview.module.css'
import { asDefinition, type Definition } from './definition.ts'
import { useTrigger } from './trigger.tsx'
import css from './triggers.module.css'

const Plot = lazy(() => import('../../ui/plot.tsx'))

const here = getRouteApi('/triggers/$trigger/activity')

export function TriggerActivity() {
  const { trigger } = here.useParams()
  const { data } = useTrigger(trigger)
  const history = useQuery({ ...asked('GET /triggers/:trigger/history', { params: { trigger } }), refetchInterval: 10_000 })
  if (data === undefined || history.isPending) return <Loading />
  if (history.isError) return <Failed error={history.error} retry={() => void history.refetch()} />
  const { calls, errors, throttles, duration: took, age } = history.data
  const perSecond = (value: number) => `${short(value)}/s`
  const group = (data.definition['group'] as string | null | undefined) ?? `trigger-${trigger}`
  return (
    <Content>
      {data.reason !== null && (
        <p className={css['bad']} role="status">
          <strong>{data.state === 'RETRYING' ? 'It does not get ahead:' : 'It does not read:'}</strong> {data.reason}
        </p>
      )}
      {calls.times.length < 2 ? (
        <p className={css['note']}>The plots begin in a few seconds: the counters are looked at every ten seconds.</p>
      ) : (
        <div className={overview['plots']}>
          <Suspense fallback={<div className={css['waiting']} />}>
            <Plot
              title="Calls and errors"
              series={[
                { name: 'calls', ...calls },
                { name: 'errors', ...errors },
              ]}
              format={perSecond}
            />
            <Plot title="Time of a call" series={[{ name: 'time', ...took }]} format={value => duration(value)} />
            <Plot title="Age of the oldest record that is not done" series={[{ name: 'age', ...age }]} format={value => duration(value)} />
            <Plot title="Throttled calls" series={[{ name: 'throttled', ...throttles }]} format={perSecond} />
          </Suspense>
        </div>
      )}
      <p className={css['note']}>
        The last hour of this process: others that run the same trigger have numbers of their own. It reads in the group{' '}
        <Link to="/groups/$group/lag" params={{ group }}>
          {group}
        </Link>
        , whose lag is that of all.
      </p>
      <GivenUp trigger={trigger} definition={asDefinition(data.definition)} />
      {Object.keys(data.errors).length > 0 && (
        <p>
          Errors since this process began:{' '}
          {Object.entries(data.errors)
            .map(([kind, number]) => `${kind} ${count(number)}`)
            .join(', ')}
        </p>
      )}
      {data.lastError !== null && (
        <section className={css['bad']} aria-label="The last error">
          <p>
            <strong>The last error</strong>,{' '}
            <span title={utc(String(Date.parse(data.lastError.at)))}>{time(String(Date.parse(data.lastError.at)))}</span>,{' '}
            {data.lastError.kind}:
          </p>
          <pre>{data.lastError.message}</pre>
        </section>
      )}
    </Content>
  )
}

/** What the function fails with, again and again. */
function GivenUp({ trigger, definition: { onFailure = null } }: { trigger: string; definition: Definition }) {
  if (onFailure === null)
    return <p className={css['note']}>Records that are given up have no dead-letter topic: only the log names them.</p>
  if ('url' in onFailure) return <p className={css['note']}>Records that are given up are sent to {onFailure.url}.</p>
  const { topic } = onFailure
  return (
    <p className={css['note']}>
      Records that are given up go to{' '}
      <Link to="/topics/$topic/messages" params={{ topic }} search={{ header: 'millrace.trigger.name', headerHas: trigger }}>
        {topic}
      </Link>
      , from where Redrive sends them back.
    </p>
  )
}
