/** What the parts of a connector have in common: how it is, and what makes it pause, stop and start again. */
import { useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, Outlet, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { asked, call, type Output } from '../../api.ts'
import { counted } from '../../format.ts'
import { useRefresh } from '../../refresh.ts'
import { useRights } from '../../rights.ts'
import { Button } from '../../ui/button.tsx'
import { ConfirmByName } from '../../ui/dialog.tsx'
import { Menu } from '../../ui/menu.tsx'
import { Page } from '../../ui/page.tsx'
import { Failed, Refused } from '../../ui/states.tsx'
import { shortClass } from './keys.ts'
import { ConnectorState } from './state.tsx'

type Found = Output<'GET /connectors/:connector'>

const here = getRouteApi('/connectors/$connector')

export function useConnector(connector: string) {
  return useQuery({ ...asked('GET /connectors/:connector', { params: { connector } }), refetchInterval: 3_000 })
}

export function Connector() {
  const { connector } = here.useParams()
  const info = useConnector(connector)
  const may = useRights({})
  const changing = useMutation({ mutationFn: (change: () => Promise<unknown>) => change() })
  const { data } = info
  if (info.isError && data === undefined)
    return (
      <Page title={connector}>
        <Failed error={info.error} retry={() => void info.refetch()} needs="DESCRIBE on the cluster" />
      </Page>
    )
  const params = { connector }
  const failed = data === undefined ? 0 : [data, ...data.tasks].filter(each => each.state === 'FAILED').length
  const running = data === undefined ? 0 : data.tasks.filter(each => each.state === 'RUNNING').length
  return (
    <Page
      title={connector}
      facts={
        data === undefined
          ? []
          : [
              <ConnectorState
                key="state"
                state={data.state}
                tasks={data.tasks.length}
                {...{ running, failed }}
                nextTryMs={soonest(data)}
              />,
              <span key="class" title={data.class}>
                {shortClass(data.class)}
              </span>,
              data.kind,
              counted(data.tasks.length, 'task'),
            ]
      }
      actions={
        data !== undefined &&
        may('cluster', 'ALTER') && <Actions found={data} failed={failed} change={changing.mutate} busy={changing.isPending} />
      }
      tabs={[
        { title: 'Status', to: '/connectors/$connector/status', params },
        { title: 'Configuration', to: '/connectors/$connector/config', params },
        { title: 'Offsets', to: '/connectors/$connector/offsets', params },
      ]}
    >
      {changing.error !== null && <Refused error={changing.error} />}
      <Outlet />
    </Page>
  )
}

function soonest({ nextTryMs, tasks }: Found): number | null {
  const tries = [nextTryMs, ...tasks.map(each => each.nextTryMs)].filter(each => each !== null)
  return tries.length === 0 ? null : Math.min(...tries)
}

interface ActionsProps {
  found: Found
  failed: number
  busy: boolean
  change: (work: () => Promise<unknown>) => void
}

function Actions({ found: { name, state, kind }, failed, busy, change }: ActionsProps) {
  const [deleting, setDeleting] = useState(false)
  const refresh = useRefresh('/connectors')
  const navigate = useNavigate()
  const params = { connector: name }
  const act = (action: 'pause' | 'resume' | 'stop') =>
    change(async () => {
      await call('POST /connectors/:connector/:action', { params: { connector: name, action }, body: {} })
      await refresh()
    })
  const restart = (onlyFailed: boolean) =>
    change(async () => {
      await call('POST /connectors/:connector/restart', { params, body: { onlyFailed } })
      await refresh()
    })
  const remove = async () => {
    await call('DELETE /connectors/:connector', { params, query: { confirm: name } })
    await navigate({ to: '/connectors' })
    await refresh()
  }
  const rests = state === 'PAUSED' || state === 'STOPPED'
  return (
    <>
      <Button disabled={busy} onClick={() => act(rests ? 'resume' : 'pause')}>
        {rests ? 'Resume' : 'Pause'}
      </Button>
      {!rests && (
        <Button disabled={busy} onClick={() => restart(false)}>
          Restart
        </Button>
      )}
      <Menu
        label="More"
        groups={[
          [
            ...(failed > 0 ? [{ title: 'Restart only what has failed', onSelect: () => restart(true) }] : []),
            ...(state === 'STOPPED' ? [] : [{ title: 'Stop, to change offsets', onSelect: () => act('stop') }]),
          ],
          [{ title: 'Delete…', bad: true, onSelect: () => setDeleting(true) }],
        ]}
      />
      {deleting && (
        <ConfirmByName
          title={`Delete ${name}`}
          name={name}
          action="Delete the connector"
          onClose={() => setDeleting(false)}
          onConfirm={remove}
        >
          The connector and its configuration will be deleted.{' '}
          {kind === 'sink'
            ? `The offsets of its group connect-${name} stay, so that a connector of the same name goes on where it was.`
            : 'Its offsets stay, so that a connector of the same name goes on where it was.'}
        </ConfirmByName>
      )}
    </>
  )
}
