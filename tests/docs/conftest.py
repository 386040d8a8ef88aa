import sys
from pathlib import Path

# what makes the tables and the drawings of the site
sys.path.append(str(Path(__file__).resolve().parents[2] / "docs" / "_ext"))
