/** All triggers: what they are called with, and how it goes. */
import { useNavigate } from '@tanstack/react-router'
import { ApiError, asked, type Output } from '../../api.ts'
import { count, counted } from '../../format.ts'
import { type Column, RowLink } from '../../ui/grid.tsx'
import { useNameSearch } from '../../ui/name-search.tsx'
import { Bar, LinkButton, Page } from '../../ui/page.tsx'
import { pageSize, usePages } from '../../ui/paged.ts'
import { PagedGrid } from '../../ui/paged-grid.tsx'
import { Command, Empty } from '../../ui/states.tsx'
import { State } from '../connectors/state.tsx'

type Row = Output<'GET /triggers'>['rows'][number]

const columns: readonly Column<Row>[] = [
  {
    id: 'name',
    title: 'Name',
    width: 'minmax(120px, 1fr)',
    cell: ({ name }) => <RowLink name={name} to="/triggers/$trigger" params={{ trigger: name }} />,
  },
  {
    id: 'state',
    title: 'State',
    width: '104px',
    cell: ({ state, reason }) => (
      <span title={reason ?? ''}>
        <State state={state} />
      </span>
    ),
  },
  {
    id: 'topics',
    title: 'Topics',
    width: 'minmax(110px, 1fr)',
    wideOnly: true,
    cell: ({ topics }) => <span title={topics.join(', ')}>{topics.join(', ')}</span>,
  },
  {
    id: 'function',
    title: 'Function',
    width: 'minmax(100px, 1fr)',
    wideOnly: true,
    cell: row => <span title={row.function}>{row.function}</span>,
  },
  { id: 'version', title: 'Version', width: '72px', right: true, wideOnly: true, cell: row => row.version },
  { id: 'calls', title: 'Calls', width: '80px', right: true, cell: row => count(row.calls) },
  { id: 'errors', title: 'Errors', width: '72px', right: true, wideOnly: true, cell: row => count(row.errors) },
  { id: 'given', title: 'Given up', width: '80px', right: true, wideOnly: true, cell: row => count(row.givenUp) },
]

export function Triggers() {
  const navigate = useNavigate({ from: '/triggers' })
  const { wanted, box } = useNameSearch('Search triggers')
  const pages = usePages(from => asked('GET /triggers', { query: { search: wanted, limit: pageSize, from } }), 5_000)
  const { error, data } = pages.first
  const unknown = error instanceof ApiError && error.status === 404
  return (
    <Page
      title="Triggers"
      facts={data === undefined ? [] : [counted(pages.total, 'trigger'), 'calls since this process began']}
      actions={!unknown && <LinkButton to="/create-trigger">New trigger</LinkButton>}
    >
      {unknown ? (
        <Empty title="No triggers run here">
          <p>A trigger calls a function with the records of a topic. They run beside the console:</p>
          <Command text="millrace start --set services=console,registry,rest,connect,triggers" />
        </Empty>
      ) : (
        <>
          <Bar>{box}</Bar>
          <PagedGrid
            pages={pages}
            label="Triggers"
            columns={columns}
            keyOf={row => row.name}
            onOpen={({ name }) => void navigate({ to: '/triggers/$trigger', params: { trigger: name } })}
            empty={
              <Empty title={wanted === '' ? 'There are no triggers yet' : 'No trigger has this name'}>
                {wanted === '' && (
                  <p>
                    A trigger calls a function in JavaScript or TypeScript, or an HTTP endpoint, with the records of a topic, and can write
                    what it returns to another one.
                  </p>
                )}
              </Empty>
            }
          />
        </>
      )}
    </Page>
  )
}
