import { t } from '../strings/t.js';
import { dollars } from './format.js';

export interface DayChartProps {
  /** One bar each, in order. */
  days: readonly { day: string; cost: number }[];
}

const HEIGHT = 100;
/** Of one day, with the gap to the next. */
const WIDTH = 10;
const BAR = 8;
/** A day of which little was used is still seen. */
const LOWEST = 1;

/** What was used on each day. The table beside it says the same in numbers. */
export function DayChart({ days }: DayChartProps) {
  const most = Math.max(...days.map(({ cost }) => cost));
  const total = days.reduce((sum, { cost }) => sum + cost, 0);
  const heightOf = (cost: number) => (cost === 0 ? 0 : Math.max(LOWEST, (cost / most) * HEIGHT));
  return (
    <figure>
      <svg
        className="chart"
        viewBox={`0 0 ${days.length * WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={t('usage.chart', { count: days.length, total: dollars(total), most: dollars(most) })}
      >
        {days.map(({ day, cost }, index) => (
          <rect key={day} x={index * WIDTH} y={HEIGHT - heightOf(cost)} width={BAR} height={heightOf(cost)}>
            <title>{`${day}: ${dollars(cost)}`}</title>
          </rect>
        ))}
      </svg>
      <figcaption className="ends">
        <span>{days.at(0)?.day}</span>
        <span>{t('usage.highest', { most: dollars(most) })}</span>
        <span>{days.at(-1)?.day}</span>
      </figcaption>
    </figure>
  );
}
