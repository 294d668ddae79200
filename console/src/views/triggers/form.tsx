/** To write a trigger: its settings, its function, and what the function does with an event, before anything is deployed. */
import { useMutation } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'
import { call } from '../../api.ts'
import { useRefresh } from '../../refresh.ts'
import { Button, Field, Input } from '../../ui/button.tsx'
import { FormFooter } from '../../ui/form-footer.tsx'
import { Page } from '../../ui/page.tsx'
import { Loading } from '../../ui/states.tsx'
import { useUnsaved } from '../../ui/unsaved.ts'
import { asDefinition, beginning, type CodeFunction, type Definition, isCode } from './definition.ts'
import css from './form.module.css'
import { Settings } from './settings.tsx'
import { useTrigger } from './trigger.tsx'
import { TryFunction } from './try-function.tsx'

const Editor = lazy(() => import('../../ui/editor.tsx'))

export function TriggerFunction() {
  const { trigger } = getRouteApi('/triggers/$trigger/function').useParams()
  const { data } = useTrigger(trigger)
  const refresh = useRefresh('/triggers')
  const navigate = useNavigate()
  if (data === undefined) return <Loading />
  const deploy = async (_name: string, definition: Definition) => {
    await call('PUT /triggers/:trigger', { params: { trigger }, body: { definition } })
    await refresh()
    await navigate({ to: '/triggers/$trigger/activity', params: { trigger } })
  }
  // Once it is shown the form has a life of its own: it does not change while somebody types.
  return <TriggerForm key={trigger} name={trigger} definition={asDefinition(data.definition)} action="Deploy" onSave={deploy} />
}

export function CreateTrigger() {
  const refresh = useRefresh('/triggers')
  const navigate = useNavigate()
  const create = async (name: string, definition: Definition) => {
    await call('POST /triggers', { body: { name, definition } })
    await refresh()
    await navigate({ to: '/triggers/$trigger', params: { trigger: name } })
  }
  return (
    <Page title="New trigger">
      <TriggerForm name={null} definition={beginning} action="Create" onSave={create} />
    </Page>
  )
}

interface TriggerFormProps {
  /** null: it is to be chosen. */
  name: string | null
  definition: Definition
  action: string
  onSave: (name: string, definition: Definition) => Promise<void>
}

function TriggerForm({ name: given, definition: before, action, onSave }: TriggerFormProps) {
  const [name, setName] = useState(given ?? '')
  const [first] = useState(before)
  const [definition, setDefinition] = useState(first)
  const [part, setPart] = useState<'settings' | 'function'>(given === null ? 'settings' : 'function')
  const saving = useMutation({ mutationFn: () => onSave(name, definition) })
  useUnsaved(definition !== first && !saving.isPending && !saving.isSuccess)
  const change = (changes: Partial<Definition>) => {
    saving.reset()
    setDefinition({ ...definition, ...changes })
  }
  const called = definition.function
  return (
    <form
      className={css['form']}
      data-part={part}
      onSubmit={event => {
        event.preventDefault()
        saving.mutate()
      }}
    >
      <div className={css['parts']}>
        {(['settings', 'function'] as const).map(each => (
          <Button key={each} small aria-pressed={part === each} onClick={() => setPart(each)}>
            {each === 'settings' ? 'Settings' : 'Function'}
          </Button>
        ))}
      </div>
      <section className={css['settings']} aria-label="Settings">
        {given === null && (
          <Field label="Name" hint="It cannot be changed later.">
            {id => (
              <Input
                id={id}
                value={name}
                required
                maxLength={100}
                pattern="[a-zA-Z0-9][a-zA-Z0-9._\-]*"
                title="Letters, digits, dots, dashes and underlines"
                onChange={event => setName(event.target.value)}
                autoFocus
              />
            )}
          </Field>
        )}
        <Settings definition={definition} change={change} />
      </section>
      <section className={css['function']} aria-label="Function">
        {isCode(called) ? (
          <Suspense fallback={<div className={css['waiting']} />}>
            <Editor
              label="Function"
              size="place"
              language={called.language ?? 'javascript'}
              value={called.code}
              onChange={code => change({ function: { ...(definition.function as CodeFunction), code } })}
            />
          </Suspense>
        ) : (
          <p className={css['note']}>{called.url === '' ? 'Name the endpoint in the settings.' : `${called.url} is called with a POST.`}</p>
        )}
        <TryFunction name={name === '' ? 'new' : name} definition={definition} />
      </section>
      <FormFooter error={saving.error}>
        <Button type="submit" kind="main" disabled={saving.isPending || name === ''}>
          {action}
        </Button>
      </FormFooter>
    </form>
  )
}
