/** Calls a function once, with an event that is made up, real, or one's own, and shows what it returns and writes. */
import { useMutation } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { call, type Output } from '../../api.ts'
import { duration } from '../../format.ts'
import { Button } from '../../ui/button.tsx'
import { Mark } from '../../ui/mark.tsx'
import { Refused } from '../../ui/states.tsx'
import { type Definition, sampledTopic } from './definition.ts'
import css from './form.module.css'

const Editor = lazy(() => import('../../ui/editor.tsx'))

type Result = Output<'POST /triggers/:trigger/test'>

export function TryFunction({ name, definition }: { name: string; definition: Definition }) {
  /** null: the service makes one. */
  const [event, setEvent] = useState<string | null>(null)
  const topic = sampledTopic(definition)
  const testing = useMutation({
    mutationFn: (real: boolean) => {
      const given = event !== null && !real ? { event } : real && topic !== undefined ? { topic } : {}
      return call('POST /triggers/:trigger/test', { params: { trigger: name }, body: { definition, ...given } })
    },
  })
  return (
    <section className={css['try']} aria-label="Test">
      <header className={css['bar']}>
        <strong>Test</strong>
        <Button small disabled={testing.isPending} onClick={() => testing.mutate(false)}>
          {event === null ? 'Call with a made-up event' : 'Call with this event'}
        </Button>
        {topic !== undefined && (
          <Button small disabled={testing.isPending} onClick={() => testing.mutate(true)}>
            Call with the newest record of {topic}
          </Button>
        )}
        {event === null ? (
          <Button small kind="quiet" onClick={() => setEvent(testing.data?.event ?? '{\n  \n}')}>
            Edit the event
          </Button>
        ) : (
          <Button small kind="quiet" onClick={() => setEvent(null)}>
            Forget my event
          </Button>
        )}
        {testing.isPending && <span role="status">Running…</span>}
        {testing.data !== undefined && !testing.isPending && <Verdict result={testing.data} />}
      </header>
      {testing.error !== null && <Refused error={testing.error} />}
      {(event !== null || testing.data !== undefined) && (
        <div className={css['sides']}>
          <section aria-label="Event">
            {event === null ? (
              <pre>{testing.data!.event}</pre>
            ) : (
              <Suspense fallback={<div className={css['waiting']} />}>
                <Editor label="Event" size="place" value={event} onChange={setEvent} />
              </Suspense>
            )}
          </section>
          <section aria-label="Result">{testing.data !== undefined && <Shown result={testing.data} />}</section>
        </div>
      )}
    </section>
  )
}

function Verdict({ result: { error, durationMs, isCold } }: { result: Result }) {
  const took = `${duration(durationMs)}${isCold ? ', with the start of its process' : ''}`
  return (
    <span role="status">
      <Mark tone={error === null ? 'good' : 'bad'}>{error === null ? `done in ${took}` : `failed after ${took}`}</Mark>
    </span>
  )
}

function Shown({ result: { result, error, output } }: { result: Result }) {
  return (
    <>
      {error === null ? <pre>{result}</pre> : <pre className={css['wrong']}>{error.stack ?? `${error.type}: ${error.message}`}</pre>}
      {output !== '' && (
        <>
          <h3>Written</h3>
          <pre>{output}</pre>
        </>
      )}
    </>
  )
}
