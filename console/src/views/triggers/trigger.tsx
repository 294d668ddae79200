/** What the parts of a trigger have in common: how it is, and what pauses and deletes it. */
import { useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, Outlet, useNavigate } from '@tanstack/react-router'
import { asked, call } from '../../api.ts'
import { counted } from '../../format.ts'
import { useRefresh } from '../../refresh.ts'
import { Button } from '../../ui/button.tsx'
import { ConfirmByName } from '../../ui/dialog.tsx'
import { Page } from '../../ui/page.tsx'
import { Failed, Refused } from '../../ui/states.tsx'
import { State } from '../connectors/state.tsx'
import { asDefinition } from './definition.ts'

const here = getRouteApi('/triggers/$trigger')

export function useTrigger(trigger: string) {
  return useQuery({ ...asked('GET /triggers/:trigger', { params: { trigger } }), refetchInterval: 5_000 })
}

export function Trigger() {
  const { trigger } = here.useParams()
  const info = useTrigger(trigger)
  const refresh = useRefresh('/triggers')
  const navigate = useNavigate()
  const enabling = useMutation({
    async mutationFn(enabled: boolean) {
      await call('PATCH /triggers/:trigger', { params: { trigger }, body: { enabled } })
      await refresh()
    },
  })
  const remove = async () => {
    await call('DELETE /triggers/:trigger', { params: { trigger }, query: { confirm: trigger } })
    await navigate({ to: '/triggers' })
    await refresh()
  }
  const { data } = info
  if (info.isError && data === undefined)
    return (
      <Page title={trigger}>
        <Failed error={info.error} retry={() => void info.refetch()} needs="the rights to do what the trigger does" />
      </Page>
    )
  const params = { trigger }
  const paused = data?.state === 'PAUSED'
  const { topics, topicPattern } = data === undefined ? {} : asDefinition(data.definition)
  return (
    <Page
      title={trigger}
      facts={
        data === undefined
          ? []
          : [
              <State key="state" state={data.state} />,
              topics?.join(', ') ?? topicPattern ?? '',
              `version ${data.version}`,
              `reads ${counted(data.partitions, 'partition')} here`,
            ]
      }
      actions={
        data !== undefined && (
          <>
            <Button disabled={enabling.isPending} onClick={() => enabling.mutate(paused)}>
              {paused ? 'Resume' : 'Pause'}
            </Button>
            <ConfirmByName
              title={`Delete ${trigger}`}
              name={trigger}
              action="Delete the trigger"
              trigger={<Button kind="bad">Delete</Button>}
              onConfirm={remove}
            >
              The trigger with its function and all versions will be deleted. What its group has committed stays.
            </ConfirmByName>
          </>
        )
      }
      tabs={[
        { title: 'Activity', to: '/triggers/$trigger/activity', params },
        { title: 'Function', to: '/triggers/$trigger/function', params },
        { title: 'Versions', to: '/triggers/$trigger/versions', params },
        { title: 'Log', to: '/triggers/$trigger/log', params },
      ]}
    >
      {enabling.error !== null && <Refused error={enabling.error} />}
      <Outlet />
    </Page>
  )
}
