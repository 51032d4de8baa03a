import { listPlaces } from '../../client/rest/index.js';
import { t } from '../strings/t.js';
import { Loaded } from './loaded.js';
import { useLoad } from './use-load.js';

export interface ProjectChoiceProps {
  /** The directory that is chosen. */
  directory: string;
  onChoose: (path: string) => void;
}

const MOST = 12;

/** The projects that were used last, to choose the directory of a session by a touch. */
export function ProjectChoice({ directory, onChoose }: ProjectChoiceProps) {
  const places = useLoad((rest) => listPlaces(rest, { query: { limit: MOST } }));
  return (
    <fieldset className="choices">
      <legend>{t('new.projects')}</legend>
      <Loaded of={places}>
        {({ projects }) => (
          <>
            {projects.length === 0 && <p className="quiet">{t('projects.none')}</p>}
            <div className="row">
              {projects.map(({ name, path }) => (
                <button
                  key={path}
                  type="button"
                  title={path}
                  aria-pressed={path === directory}
                  onClick={() => onChoose(path)}
                >
                  {name}
                </button>
              ))}
            </div>
          </>
        )}
      </Loaded>
    </fieldset>
  );
}
