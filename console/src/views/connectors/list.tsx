/** All connectors: how they are, and what has failed. */
import { useNavigate } from '@tanstack/react-router'
import { ApiError, asked, type Output } from '../../api.ts'
import { count, counted } from '../../format.ts'
import { useRights } from '../../rights.ts'
import { type Column, RowLink } from '../../ui/grid.tsx'
import { useNameSearch } from '../../ui/name-search.tsx'
import { Bar, LinkButton, Page } from '../../ui/page.tsx'
import { pageSize, usePages } from '../../ui/paged.ts'
import { PagedGrid } from '../../ui/paged-grid.tsx'
import { Command, Empty } from '../../ui/states.tsx'
import { shortClass } from './keys.ts'
import { ConnectorState } from './state.tsx'

type Row = Output<'GET /connectors'>['rows'][number]

const columns: readonly Column<Row>[] = [
  {
    id: 'name',
    title: 'Name',
    width: 'minmax(120px, 1.2fr)',
    cell: ({ name }) => <RowLink name={name} to="/connectors/$connector" params={{ connector: name }} />,
  },
  {
    id: 'state',
    title: 'State',
    width: 'minmax(130px, 1fr)',
    cell: row => (
      <span title={row.reason ?? ''}>
        <ConnectorState {...row} />
      </span>
    ),
  },
  { id: 'kind', title: 'Type', width: '76px', wideOnly: true, cell: row => row.kind },
  {
    id: 'class',
    title: 'Connector',
    width: 'minmax(110px, 1fr)',
    wideOnly: true,
    cell: row => <span title={row.class}>{shortClass(row.class)}</span>,
  },
  {
    id: 'topics',
    title: 'Topics',
    width: 'minmax(110px, 1fr)',
    wideOnly: true,
    cell: row => <span title={row.topics}>{row.topics || '–'}</span>,
  },
  { id: 'tasks', title: 'Tasks', width: '72px', right: true, cell: row => `${row.running}/${row.tasks}` },
  { id: 'failures', title: 'Failures', width: '80px', right: true, wideOnly: true, cell: row => count(row.failures) },
]

export function Connectors() {
  const navigate = useNavigate({ from: '/connectors' })
  const may = useRights({})
  const { wanted, box } = useNameSearch('Search connectors')
  const pages = usePages(from => asked('GET /connectors', { query: { search: wanted, limit: pageSize, from } }), 5_000)
  const unknown = pages.first.error instanceof ApiError && pages.first.error.status === 404
  return (
    <Page
      title="Connectors"
      facts={pages.first.data === undefined ? [] : [counted(pages.total, 'connector')]}
      actions={may('cluster', 'ALTER') && !unknown && <LinkButton to="/create-connector">New connector</LinkButton>}
    >
      {unknown ? (
        <Empty title="No worker of Kafka Connect is known">
          <p>Connectors carry records into other systems, and out of them. A worker runs them, beside the console:</p>
          <Command text="millrace start --set services=console,registry,rest,connect,triggers" />
          <p>Or the key connect.url names workers that run already.</p>
        </Empty>
      ) : (
        <>
          <Bar>{box}</Bar>
          <PagedGrid
            pages={pages}
            label="Connectors"
            columns={columns}
            keyOf={row => row.name}
            onOpen={({ name }) => void navigate({ to: '/connectors/$connector', params: { connector: name } })}
            needs="DESCRIBE on the cluster"
            empty={
              <Empty title={wanted === '' ? 'There are no connectors yet' : 'No connector has this name'}>
                {wanted === '' && (
                  <p>
                    A connector carries the records of topics into another system, such as Elasticsearch or S3, or from one into topics.
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
